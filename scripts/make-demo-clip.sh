#!/usr/bin/env bash
# Makes testdata/demo.flv, the clip that `make run` loops: 1280x720 at 30 frames per second, H.264 High with B-frames,
# closed one-second GOPs, AAC-LC stereo at 48 kHz. Needs ffmpeg with libx264 and the DejaVu fonts; only a developer who
# wants another clip runs it.
#
# 16 seconds are 480 video frames and 750 audio frames of 1024 samples, so the clip loops without a hole in either track.
# The sound is silent at both ends of the loop, which hides the encoder's priming.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=16
font=/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf
mono=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
out=${1:-testdata/demo.flv}

# A slow gradient, the name, a running clock with the frame number, a dot that circles once in four seconds and a bar
# that crosses the picture once per loop.
video="gradients=size=1280x720:rate=30:duration=$seconds:nb_colors=3:c0=0x071a2f:c1=0x0d4f6e:c2=0x1f8a8a:x0=0:y0=0:x1=1280:y1=720:speed=0.00002
,drawtext=fontfile=$font:text='Headwater':fontcolor=white:fontsize=84:x=(w-tw)/2:y=150
,drawtext=fontfile=$font:text='live demo':fontcolor=0x9fe3e0:fontsize=34:x=(w-tw)/2:y=256
,drawtext=fontfile=$mono:text='%{pts\\:hms}':fontcolor=white:fontsize=96:x=(w-tw)/2:y=350
,drawtext=fontfile=$mono:text='frame %{eif\\:n\\:d\\:3} of 480':fontcolor=0x9fe3e0:fontsize=30:x=(w-tw)/2:y=470
,drawtext=fontfile=$font:text='●':fontcolor=0xffc857:fontsize=40:x=w/2-20+460*cos(t*PI/2):y=h/2-20+270*sin(t*PI/2)
,drawbox=x=0:y=700:w=1280:h=20:color=0x06121f:t=fill
,drawtext=fontfile=$font:text='▮':fontcolor=0xffc857:fontsize=26:x=t*80:y=696"

# One soft note per second, a different one each time, decayed to nothing before the next.
notes="(262*eq(mod(floor(t),4),0)+330*eq(mod(floor(t),4),1)+392*eq(mod(floor(t),4),2)+523*eq(mod(floor(t),4),3))"
note="0.25*sin(2*PI*t*$notes)*min(1,mod(t,1)*60)*exp(-7*mod(t,1))"
audio="aevalsrc=exprs='$note|$note':sample_rate=48000:duration=$((seconds + 1))"

ffmpeg -hide_banner -loglevel error -y \
  -f lavfi -i "${video//$'\n'/}" -f lavfi -i "$audio" \
  -map 0:v -map 1:a \
  -c:v libx264 -preset veryslow -profile:v high -level 3.1 -pix_fmt yuv420p -bf 2 -b_strategy 0 -x264-params b-pyramid=none:open-gop=0 \
  -g 30 -keyint_min 30 -sc_threshold 0 -b:v 520k -maxrate 900k -bufsize 900k -color_primaries bt709 -color_trc bt709 -colorspace bt709 \
  -c:a aac -profile:a aac_low -b:a 64k -ac 2 -frames:a $((seconds * 48000 / 1024)) \
  -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -flvflags no_duration_filesize \
  -f flv "$out"
ls -l "$out"

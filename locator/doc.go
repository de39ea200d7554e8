// Package locator is the grammar of the public paths: it parses and prints every URL path that a viewer can ask for.
//
//	/<id>/<name>.ism/manifest(format=m3u8-cmaf)[.m3u8]   = /<id>/<name>.ism/master.m3u8
//	/<id>/<name>.ism/manifest(format=mpd-time-cmaf)[.mpd] = /<id>/<name>.ism/manifest.mpd
//	/<id>/<name>.ism/<rendition>/media.m3u8
//	/<id>/<name>.ism/<rendition>/media(filter=a;b,start=10,end=20).m3u8
//	/<id>/<name>.ism/poster.jpg, storyboard.vtt, storyboard-<checksum>.jpg
//	/<id>/<name>.ism/<rendition>/init-<id>.mp4
//	/<id>/<name>.ism/<rendition>/seg-<epoch>-<number>.m4s
//	/<id>/<name>.ism/<rendition>/key-<epoch>-<number>.m4s
//	/<id>/<name>.ism/<rendition>/part-<epoch>-<number>-<index>.m4s
//
// Before it may stand /t/<token>, for locators that require one.
//
// It is an allow-list: what is not in the grammar is refused, so that no path ever reaches a file system as text.
package locator

// Pins wireguard-go, whose tests/netns.sh is run with mesh-wg: prepare.sh. go.sum has its checksums.
module mesh/tests/peers

go 1.19

require golang.zx2c4.com/wireguard v0.0.0-20260522210424-ecfc5a8d5446

/* Known answers for noise.c and cookie.c: hex of every input and output of two handshakes.
 * Computed apart from this code, by another implementation of BLAKE2s, HMAC, X25519 and
 * ChaCha20-Poly1305 (Python's hashlib and cryptography) written after the WireGuard paper, §5.4. */
#pragma once

typedef struct {
    const char *name;
    const char *static_i, *static_r; /* private keys: initiator, responder */
    const char *eph_i, *eph_r;
    const char *psk;
    const char *timestamp;
    const char *initiation; /* without its macs */
    const char *mac1_i;
    const char *response; /* without its macs */
    const char *mac1_r;
    const char *key_i, *key_r; /* initiator to responder, and back */
} NoiseVector;

/* Sender indices: initiator 0x01020304, responder 0xa0b0c0d0. */
static const NoiseVector noise_vectors[] = {
    {
        .name = "known-answer-without-psk",
        .static_i = "f8a58cf0a9bee6f07510aa78c0ab6784921177d8a436d8760e9fceab35808776",
        .static_r = "a0a508eb3367356f8e8ba9c47126699ea63ae165ab87e77b89c6acf9dd774648",
        .eph_i = "f0a2a6304549e08de5367e53d59ff716dc30d1011e1b26b37afaab574ce0845c",
        .eph_r = "c056c8b895990e742a371661b8a714ade612bedecc628b2ad01b3bcb1273db6b",
        .psk = "0000000000000000000000000000000000000000000000000000000000000000",
        .timestamp = "400000006553f10a1c000000",
        .initiation = "010000000403020151f67624a4943dd571df26ed209bc7dee320a2d1d57b74a2"
                      "075702c9886fe150e23ab3218bfe2e556832ec4ca8454a4ebc546d3f35a22caf"
                      "79058e072ee303fc9b4ca99a13c8f3ae8c6d20989eb1da355462fcf04a39ab37"
                      "fde2d202bcbccbc7bd1253422d5a330372647c41",
        .mac1_i = "4d5ec4fd4c52bf01f869ebe3319503e7",
        .response = "02000000d0c0b0a0040302018ec40070479375371d15bf14ae9e96600fa5da6c"
                    "f90c8c8f300dfcdc645e270b5367aefaebe034b66d50d0ab3d4cd0cf",
        .mac1_r = "8797b558ad0fdd2fdf73e37e55c20c6a",
        .key_i = "59da598174b2b16e7b045193cd120f605ec854a5f0ebc94a8489cea9f5676ccc",
        .key_r = "5dd96e19d2695409cd9d2685043876b25f0e4acc66bd00e0cf87e9979daad926",
    },
    {
        .name = "known-answer-with-psk",
        .static_i = "f8a58cf0a9bee6f07510aa78c0ab6784921177d8a436d8760e9fceab35808776",
        .static_r = "a0a508eb3367356f8e8ba9c47126699ea63ae165ab87e77b89c6acf9dd774648",
        .eph_i = "f0a2a6304549e08de5367e53d59ff716dc30d1011e1b26b37afaab574ce0845c",
        .eph_r = "c056c8b895990e742a371661b8a714ade612bedecc628b2ad01b3bcb1273db6b",
        .psk = "c55854220a8ad39704d1df04472c1802fa446018c3bdaf35e557f9e02f272f7c",
        .timestamp = "400000006553f10a1c000000",
        .initiation = "010000000403020151f67624a4943dd571df26ed209bc7dee320a2d1d57b74a2"
                      "075702c9886fe150e23ab3218bfe2e556832ec4ca8454a4ebc546d3f35a22caf"
                      "79058e072ee303fc9b4ca99a13c8f3ae8c6d20989eb1da355462fcf04a39ab37"
                      "fde2d202bcbccbc7bd1253422d5a330372647c41",
        .mac1_i = "4d5ec4fd4c52bf01f869ebe3319503e7",
        .response = "02000000d0c0b0a0040302018ec40070479375371d15bf14ae9e96600fa5da6c"
                    "f90c8c8f300dfcdc645e270bd4f441af98862016d4e26933cac54358",
        .mac1_r = "d7c6f6aa11d8a55054f4ce0391fcdff1",
        .key_i = "9c2b685c82f7d8568cf60ad1c8f9a959493bfaa8e54e4712a3aac852a450d636",
        .key_r = "65b4109294142f2f167a929a98fb8e8e1724c49145574067c52593dd672a4d25",
    },
};

/* Known answers for noise.c and cookie.c: hex of every input and output of two handshakes a suite.
 * Computed apart from this code, by another implementation of BLAKE2s, HMAC, X25519 and
 * ChaCha20-Poly1305 or AES-256-GCM (Python's hashlib and cryptography) written after the WireGuard
 * paper, §5.4, and docs/PROTOCOL.md §10: tests/net/suitepeer.py vectors. */
#pragma once

#include "daemon/wire/suite.h"

typedef struct {
    const char *name;
    WireSuite   suite;
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
    {
        .name = "aes-without-psk",
        .suite = WIRE_SUITE_AESGCM1,
        .static_i = "f8a58cf0a9bee6f07510aa78c0ab6784921177d8a436d8760e9fceab35808776",
        .static_r = "a0a508eb3367356f8e8ba9c47126699ea63ae165ab87e77b89c6acf9dd774648",
        .eph_i = "f0a2a6304549e08de5367e53d59ff716dc30d1011e1b26b37afaab574ce0845c",
        .eph_r = "c056c8b895990e742a371661b8a714ade612bedecc628b2ad01b3bcb1273db6b",
        .psk = "0000000000000000000000000000000000000000000000000000000000000000",
        .timestamp = "400000006553f10a1c000000",
        .initiation = "610000000403020151f67624a4943dd571df26ed209bc7dee320a2d1d57b74a2"
                      "075702c9886fe1505bc8d2cd6bd8c74b4655cc1212ffd66fa0b1a5856db2347d"
                      "743fe6327c14ee96199be98bc982a1a59b401ab80f01a4f860f23bcb02ea338d"
                      "d0aebb8c134cc9f98ff72a8ad462c6b573181dee",
        .mac1_i = "7502ae28bbbb8eb963294313ba11b763",
        .response = "62000000d0c0b0a0040302018ec40070479375371d15bf14ae9e96600fa5da6c"
                    "f90c8c8f300dfcdc645e270be4c106e62d094d29923de670fed429fa",
        .mac1_r = "ac86f46b9ab3285d430b436e9b757001",
        .key_i = "768f7b0938c55d46f6ed8e1020cbe5bba28fcc47a3daafbc3f5c615faa4c9567",
        .key_r = "38a2d4a892a948c489067ed08b9be048ce9e8a7d21e40d3bfdebb96e091b1920",
    },
    {
        .name = "aes-with-psk",
        .suite = WIRE_SUITE_AESGCM1,
        .static_i = "f8a58cf0a9bee6f07510aa78c0ab6784921177d8a436d8760e9fceab35808776",
        .static_r = "a0a508eb3367356f8e8ba9c47126699ea63ae165ab87e77b89c6acf9dd774648",
        .eph_i = "f0a2a6304549e08de5367e53d59ff716dc30d1011e1b26b37afaab574ce0845c",
        .eph_r = "c056c8b895990e742a371661b8a714ade612bedecc628b2ad01b3bcb1273db6b",
        .psk = "c55854220a8ad39704d1df04472c1802fa446018c3bdaf35e557f9e02f272f7c",
        .timestamp = "400000006553f10a1c000000",
        .initiation = "610000000403020151f67624a4943dd571df26ed209bc7dee320a2d1d57b74a2"
                      "075702c9886fe1505bc8d2cd6bd8c74b4655cc1212ffd66fa0b1a5856db2347d"
                      "743fe6327c14ee96199be98bc982a1a59b401ab80f01a4f860f23bcb02ea338d"
                      "d0aebb8c134cc9f98ff72a8ad462c6b573181dee",
        .mac1_i = "7502ae28bbbb8eb963294313ba11b763",
        .response = "62000000d0c0b0a0040302018ec40070479375371d15bf14ae9e96600fa5da6c"
                    "f90c8c8f300dfcdc645e270b9c84df40a6378c7598c0cfa18c71af1b",
        .mac1_r = "67b0ba1c0b78bde311d0463e36b99f02",
        .key_i = "f7242a51e6cf2d994d891a6406a5e459f38e459eae7715e07102fc18a8f9ad13",
        .key_r = "ec0df526cb3032e23fda73ab95c9bca03a42f80a37222622a2d31f8f91974f9a",
    },
};

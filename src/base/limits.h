/* limits.h: every number that is a bound, in one place. LIMITS.md adds them up. Each row: name,
 * value, what it bounds. Modules take their bounds from here; a limit that a user may set has its
 * default here. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    /* fleet */
    LIMIT_REGIONS = 64,
    LIMIT_ZONES = 32, /* a set of zones is one uint32 */
    LIMIT_SERVICES = 64,
    LIMIT_MODELS = 64,
    LIMIT_WORKERS = 256,   /* of a world */
    LIMIT_REPLICAS = 1024, /* of a world, remote ones included */
    LIMIT_SKUS = 256,
    LIMIT_NAME = 64, /* bytes of a name of anything */
    LIMIT_KEYS = 64, /* client keys of a gateway */
    LIMIT_CONFIG_BYTES = 1 << 20,
    LIMIT_CONFIG_ERRORS = 64, /* reported at once by `farspan check` */

    /* route */
    LIMIT_TARGETS = 64,        /* candidates of one decision; remote regions are one target each */
    LIMIT_PREFIX_BLOCKS = 512, /* of one prompt that the index looks at: 128 KiB of text */
    LIMIT_PREFIX_INDEX_SLOTS = 1 << 16,

    /* http */
    LIMIT_HTTP_LINE = 8 * 1024,
    LIMIT_HTTP_HEAD = 16 * 1024,
    LIMIT_HTTP_HEADERS = 64,
    LIMIT_HTTP_HELD_BODY = 1 << 20, /* held until answered, so retryable */
    LIMIT_HTTP_BODY = 64 << 20,     /* 413 above */
    LIMIT_JSON_DEPTH = 64,

    /* gateway */
    LIMIT_GATEWAY_CONNECTIONS = 16 * 1024, /* a loop */
    LIMIT_GATEWAY_HELD_BYTES = 256 << 20,  /* held request bodies of a process */
    LIMIT_UPSTREAM_IDLE = 512,             /* kept connections a target and loop */
    LIMIT_STREAM_BACKLOG =
        256 * 1024, /* bytes waiting for a slow reader before reading upstream stops */

    /* worker */
    LIMIT_WORKER_QUEUE = 256, /* waiting requests a replica */
    LIMIT_WORKER_RUNNING = 64,
    LIMIT_QUARANTINE = 256,
    LIMIT_FRAME_INLINE = 64 * 1024, /* a longer payload goes as a sealed memfd */
    LIMIT_FRAME_PAYLOAD = 64 << 20,

    /* link */
    LIMIT_LINK_CONNECTIONS = 4096,
    LIMIT_LINK_BUFFER = 1 << 20 /* bytes under way a connection and direction */
};

#endif

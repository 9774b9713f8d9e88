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
    LIMIT_PROFILES = 64,
    LIMIT_LINKS = LIMIT_REGIONS * (LIMIT_REGIONS + LIMIT_ZONES),
    LIMIT_NAME = 64,      /* bytes of a name of anything */
    LIMIT_API_NAME = 128, /* bytes of a name that others gave: a model, a service */
    LIMIT_PATH = 512,     /* bytes of a path in a configuration */
    LIMIT_URL = 512,
    LIMIT_KEYS = 64,                /* client keys of a gateway */
    LIMIT_CONFIG_BYTES = 1 << 20,   /* farspan.yaml, and each catalogue file */
    LIMIT_CONFIG_NODES = 64 * 1024, /* keys and items of one farspan.yaml */
    LIMIT_CONFIG_DEPTH = 8,
    LIMIT_CATALOGUE_ROWS = 8192, /* of one catalogue file */
    LIMIT_CONFIG_ERRORS = 64,    /* reported at once by `farspan check` */

    /* catalog */
    LIMIT_CATALOG_BYTES = 64 << 20, /* of all files of one catalogue */

    /* net */
    LIMIT_LOOP_WATCHES = 1 << 20, /* highest descriptor + 1 */
    LIMIT_LOOP_POSTS = 1024,      /* waiting from other threads */
    LIMIT_RESOLVE_NAMES = 256,    /* remembered names; also questions under way */
    LIMIT_RESOLVE_ADDRESSES = 8,  /* of one name */

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
    LIMIT_CLIENT_CONNECTIONS = 32 * 1024, /* and calls, of the pooled client of a loop */

    /* gateway */
    LIMIT_GATEWAY_CONNECTIONS = 16 * 1024, /* a loop */
    LIMIT_GATEWAY_HELD_BYTES = 256 << 20,  /* held request bodies of a process */
    LIMIT_UPSTREAM_IDLE = 512,             /* kept connections a target and loop */
    LIMIT_STREAM_BACKLOG =
        256 * 1024, /* bytes waiting for a slow reader before reading upstream stops */
    LIMIT_WAITING_BYTES = 512 << 20, /* of all streams of a process; from half of it on, any waiting
                                        byte stops the reading upstream */

    /* worker */
    LIMIT_WORKER_QUEUE = 256,            /* waiting requests a replica */
    LIMIT_WORKER_BODY = 4 << 20,         /* 413 above: parsed at once, while streams wait */
    LIMIT_WORKER_BODY_BYTES = 256 << 20, /* of bodies above LIMIT_HTTP_HELD_BODY, of a worker */
    LIMIT_WORKER_RUNNING = 64,
    LIMIT_QUARANTINE = 256,
    LIMIT_FRAME_INLINE = 64 * 1024, /* a longer payload goes as a sealed memfd */
    LIMIT_FRAME_PAYLOAD = 64 << 20,

    /* learn */
    LIMIT_LEARN_COLUMNS = 128,   /* of a data file */
    LIMIT_LEARN_CATEGORIES = 64, /* values of one attribute, and classes of a target */
    LIMIT_LEARN_WIDTH = 1024,    /* numbers that one row becomes (categories one-hot) */
    LIMIT_LEARN_ROWS = 1 << 20,
    LIMIT_LEARN_WEIGHTS = 1 << 24, /* numbers of one model: 128 MiB */
    LIMIT_INFER_ROWS = 4096,       /* rows of one inference request */

    /* link */
    LIMIT_LINK_CONNECTIONS = 4096,
    LIMIT_LINK_LINES = 8192,          /* pairs of an emulator: 64 * 64 + 32 * 64 and room */
    LIMIT_LINK_BUFFER = 1 << 20,      /* bytes under way a connection and direction, at least */
    LIMIT_LINK_BUFFER_MAX = 64 << 20, /* the same where bandwidth * delay asks for more */
    LIMIT_LINK_HELD_BYTES = 512 << 20 /* bytes under way of all connections */
};

#endif

package io.lockstep.nbd;

/**
 * The numbers of the NBD protocol under the names that the protocol document gives them, less the
 * prefix {@code NBD_}: {@code NBD_CMD_READ} is {@link #CMD_READ}.
 *
 * <p>Source: the NetworkBlockDevice project's {@code doc/proto.md}, section "Values", and its
 * branch {@code extension-ext-header} for extended headers. All numbers are big-endian on the wire.
 */
public final class Nbd {
    /** {@code NBDMAGIC}, the first 64 bits that a server sends. */
    public static final long INIT_PASSWD = 0x4e42444d41474943L;

    /** {@code IHAVEOPT}: the server speaks newstyle; it also opens each option of a client. */
    public static final long OPTS_MAGIC = 0x49484156454F5054L;

    /** The second magic of the oldstyle handshake, which this project refuses by name. */
    public static final long CLISERV_MAGIC = 0x00420281861253L;

    /** Opens each reply to an option. */
    public static final long REP_MAGIC = 0x3e889045565a9L;

    public static final int REQUEST_MAGIC = 0x25609513;
    public static final int EXTENDED_REQUEST_MAGIC = 0x21e41c71;
    public static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    public static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
    public static final int EXTENDED_REPLY_MAGIC = 0x6e8a278c;

    // Handshake flags (server) and client flags.
    public static final int FLAG_FIXED_NEWSTYLE = 1;
    public static final int FLAG_NO_ZEROES = 1 << 1;
    public static final int FLAG_C_FIXED_NEWSTYLE = 1;
    public static final int FLAG_C_NO_ZEROES = 1 << 1;

    // Transmission flags.
    public static final int FLAG_HAS_FLAGS = 1;
    public static final int FLAG_READ_ONLY = 1 << 1;
    public static final int FLAG_SEND_FLUSH = 1 << 2;
    public static final int FLAG_SEND_FUA = 1 << 3;
    public static final int FLAG_ROTATIONAL = 1 << 4;
    public static final int FLAG_SEND_TRIM = 1 << 5;
    public static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    public static final int FLAG_SEND_DF = 1 << 7;
    public static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    public static final int FLAG_SEND_RESIZE = 1 << 9;
    public static final int FLAG_SEND_CACHE = 1 << 10;
    public static final int FLAG_SEND_FAST_ZERO = 1 << 11;
    public static final int FLAG_BLOCK_STATUS_PAYLOAD = 1 << 12;

    // Options.
    public static final int OPT_EXPORT_NAME = 1;
    public static final int OPT_ABORT = 2;
    public static final int OPT_LIST = 3;
    public static final int OPT_PEEK_EXPORT = 4;
    public static final int OPT_STARTTLS = 5;
    public static final int OPT_INFO = 6;
    public static final int OPT_GO = 7;
    public static final int OPT_STRUCTURED_REPLY = 8;
    public static final int OPT_LIST_META_CONTEXT = 9;
    public static final int OPT_SET_META_CONTEXT = 10;
    public static final int OPT_EXTENDED_HEADERS = 11;

    // Option replies.
    public static final int REP_ACK = 1;
    public static final int REP_SERVER = 2;
    public static final int REP_INFO = 3;
    public static final int REP_META_CONTEXT = 4;

    /** Set in every reply to an option that is an error. */
    public static final int REP_FLAG_ERROR = 1 << 31;

    public static final int REP_ERR_UNSUP = REP_FLAG_ERROR + 1;
    public static final int REP_ERR_POLICY = REP_FLAG_ERROR + 2;
    public static final int REP_ERR_INVALID = REP_FLAG_ERROR + 3;
    public static final int REP_ERR_PLATFORM = REP_FLAG_ERROR + 4;
    public static final int REP_ERR_TLS_REQD = REP_FLAG_ERROR + 5;
    public static final int REP_ERR_UNKNOWN = REP_FLAG_ERROR + 6;
    public static final int REP_ERR_SHUTDOWN = REP_FLAG_ERROR + 7;
    public static final int REP_ERR_BLOCK_SIZE_REQD = REP_FLAG_ERROR + 8;
    public static final int REP_ERR_TOO_BIG = REP_FLAG_ERROR + 9;
    public static final int REP_ERR_EXT_HEADER_REQD = REP_FLAG_ERROR + 10;

    // Information types of REP_INFO.
    public static final int INFO_EXPORT = 0;
    public static final int INFO_NAME = 1;
    public static final int INFO_DESCRIPTION = 2;
    public static final int INFO_BLOCK_SIZE = 3;

    // Commands.
    public static final int CMD_READ = 0;
    public static final int CMD_WRITE = 1;
    public static final int CMD_DISC = 2;
    public static final int CMD_FLUSH = 3;
    public static final int CMD_TRIM = 4;
    public static final int CMD_CACHE = 5;
    public static final int CMD_WRITE_ZEROES = 6;
    public static final int CMD_BLOCK_STATUS = 7;
    public static final int CMD_RESIZE = 8;

    // Command flags.
    public static final int CMD_FLAG_FUA = 1;
    public static final int CMD_FLAG_NO_HOLE = 1 << 1;
    public static final int CMD_FLAG_DF = 1 << 2;
    public static final int CMD_FLAG_REQ_ONE = 1 << 3;
    public static final int CMD_FLAG_FAST_ZERO = 1 << 4;
    public static final int CMD_FLAG_PAYLOAD_LEN = 1 << 5;

    /**
     * Private: a read or write of the export's control space, see {@link #CONTEXT_CONTROL}; and of
     * {@link #CMD_CACHE} that a range of the disk will be overwritten, by somebody else. Any other
     * server rejects it as unknown.
     */
    public static final int CMD_FLAG_CONTROL = 1 << 15;

    // Structured and extended reply chunks.
    public static final int REPLY_FLAG_DONE = 1;
    public static final int REPLY_TYPE_NONE = 0;
    public static final int REPLY_TYPE_OFFSET_DATA = 1;
    public static final int REPLY_TYPE_OFFSET_HOLE = 2;
    public static final int REPLY_TYPE_BLOCK_STATUS = 5;
    public static final int REPLY_TYPE_BLOCK_STATUS_EXT = 6;

    /** Set in every chunk type that is an error. */
    public static final int REPLY_TYPE_FLAG_ERROR = 1 << 15;

    public static final int REPLY_TYPE_ERROR = REPLY_TYPE_FLAG_ERROR + 1;
    public static final int REPLY_TYPE_ERROR_OFFSET = REPLY_TYPE_FLAG_ERROR + 2;

    // Flags of the context base:allocation.
    public static final int STATE_HOLE = 1;
    public static final int STATE_ZERO = 1 << 1;

    // Error values.
    public static final int EPERM = 1;
    public static final int EIO = 5;
    public static final int ENOMEM = 12;
    public static final int EINVAL = 22;
    public static final int ENOSPC = 28;
    public static final int EOVERFLOW = 75;
    public static final int ENOTSUP = 95;
    public static final int ESHUTDOWN = 108;

    /** The context that every export of this project has. */
    public static final String CONTEXT_BASE_ALLOCATION = "base:allocation";

    /**
     * Private: selecting this context opens the control space of an export, {@link #CONTROL_LENGTH}
     * bytes beside the disk's own, which reads and writes with {@link #CMD_FLAG_CONTROL} address.
     * It has no extents: a block status says nothing of it.
     */
    public static final String CONTEXT_CONTROL = "x-lockstep:control";

    /** Length of the control space in bytes, but for what lies far behind it. */
    public static final int CONTROL_LENGTH = 64 + 1216;

    /**
     * Where in the control space the hashes of the disk's pieces lie, which are only read: {@link
     * #CONTROL_HASH_LENGTH} bytes for each {@link #CONTROL_PIECE_LENGTH} of the disk.
     */
    public static final long CONTROL_HASHES = 1L << 32;

    /** Of a piece that has a hash, in bytes. */
    public static final int CONTROL_PIECE_LENGTH = 64 << 10;

    /** Of a hash, in bytes. */
    public static final int CONTROL_HASH_LENGTH = 16;

    /**
     * Where in the control space lies what a former primary has noted that it changed, which is
     * only read: a bit for each {@link #CONTROL_BLOCK_LENGTH} bytes of the disk, the lowest first.
     */
    public static final long CONTROL_CHANGES = 1L << 56;

    /** Of a block that has a bit, in bytes. */
    public static final int CONTROL_BLOCK_LENGTH = 4096;

    /** Bits that are read at a time, at most, in bytes; whole words of 8 are. */
    public static final int CONTROL_CHANGES_MAX = 64 << 10;

    /** Hashes that are read at a time, at most, in bytes. */
    public static final int CONTROL_HASHES_MAX = 4096;

    /** A string on the wire is never longer, in bytes of UTF-8 (section "Conventions"). */
    public static final int STRING_LENGTH_MAX = 4096;

    /**
     * The payload that a server must take from a client which negotiated no size constraints, in
     * bytes (section "Size constraints").
     */
    public static final int PAYLOAD_LENGTH_DEFAULT_MAX = 1 << 25;

    /** Descriptors in one block status chunk are never more (reply type BLOCK_STATUS). */
    public static final int BLOCK_STATUS_DESCRIPTORS_MAX = 1 << 20;

    /** Zeroes after the flags of EXPORT_NAME's answer, unless NO_ZEROES was agreed on; in bytes. */
    public static final int EXPORT_NAME_PADDING = 124;

    /** The port that IANA keeps for NBD. */
    public static final int DEFAULT_PORT = 10809;

    private Nbd() {}
}

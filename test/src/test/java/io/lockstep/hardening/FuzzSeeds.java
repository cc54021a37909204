package io.lockstep.hardening;

import static io.lockstep.hardening.Messages.flags;
import static io.lockstep.hardening.Messages.info;
import static io.lockstep.hardening.Messages.option;
import static io.lockstep.hardening.Messages.queries;
import static io.lockstep.hardening.Messages.request;

import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordFormat;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Summary;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where fuzzers begin: what real peers say, and what comes near a limit. Each seed is an input of
 * the target that bears its name.
 */
final class FuzzSeeds {
    private static final String EXPORT = FuzzedExports.DEFAULT;

    private FuzzSeeds() {}

    static List<byte[]> serverHandshake() {
        final List<Bytes> streams = new ArrayList<>();
        for (final Bytes option : Messages.wellFormedOptions(EXPORT)) {
            streams.add(flags(Messages.FLAGS).put(option));
        }
        streams.add(Messages.qemuHandshake(EXPORT));
        streams.add(Messages.libnbdHandshake(EXPORT));
        streams.add(flags(1).put(option(Nbd.OPT_EXPORT_NAME, Bytes.text(EXPORT))));
        streams.add(flags(0).put(option(Nbd.OPT_EXPORT_NAME)));
        streams.add(
                flags(3).put(option(Nbd.OPT_LIST))
                        .put(option(Nbd.OPT_INFO, info("aligned", 0, 1, 2, 3, 4)))
                        .put(option(Nbd.OPT_GO, info(FuzzedExports.FULL)))
                        .put(option(Nbd.OPT_GO, info("golden", Nbd.INFO_DESCRIPTION))));
        streams.add(
                flags(3).put(option(Nbd.OPT_STRUCTURED_REPLY))
                        .put(option(Nbd.OPT_LIST_META_CONTEXT, queries("aligned")))
                        .put(
                                option(
                                        Nbd.OPT_SET_META_CONTEXT,
                                        queries("aligned", "x-lockstep:", "x-lockstep:7")))
                        .put(option(Nbd.OPT_GO, info(EXPORT))));
        streams.add(flags(3).put(Messages.optionHeader(Nbd.OPT_LIST, 0x1_0001)).zeroes(20));
        streams.add(flags(3).put(option(77, Bytes.text("unknown"))).put(option(Nbd.OPT_ABORT)));
        return withControl(streams, new Bytes());
    }

    static List<byte[]> serverTransmission() {
        final List<byte[]> seeds = new ArrayList<>();
        for (int choice = 0; choice < 64; choice++) {
            final ReplyStyle style = FuzzedExports.negotiated(choice).replyStyle();
            if ((choice & 3) != 3) {
                seeds.addAll(withControl(List.of(requests(style)), Bytes.of(choice, choice % 3)));
            }
        }
        return seeds;
    }

    static List<byte[]> serverSession() {
        final List<byte[]> seeds = new ArrayList<>();
        for (int kind = 0; kind <= 2; kind++) {
            final ReplyStyle style = ServerSessionFuzzTest.style(kind);
            final Bytes cuts = new Bytes(); // reads that begin and end inside of holes
            final int dataStart = FuzzedDisk.HOLE_SECTORS * FuzzedDisk.SECTOR;
            final int dataEnd = FuzzedDisk.HOLE_EVERY * FuzzedDisk.SECTOR;
            for (int i = 0; i < 6; i++) {
                cuts.put(Messages.read(style, i, dataStart - i, 4200 + 100 * i));
                cuts.put(Messages.read(style, i, dataEnd - 4200, 4200 + i));
                cuts.put(Messages.read(style, i, dataStart - i, dataEnd - dataStart + 2 * i));
            }
            for (final int disk : List.of(0, 3, 6, 0x83)) {
                for (final int sending : List.of(0, 1, 6)) {
                    for (final int breaks : List.of(0, ServerSessionFuzzTest.BREAKS)) {
                        seeds.addAll(
                                withControl(
                                        List.of(requests(style), cuts),
                                        Bytes.of(disk, sending, kind | breaks)));
                    }
                }
            }
            final Bytes raw = Messages.handshake(style, EXPORT).put(requests(style));
            seeds.addAll(withControl(List.of(raw), Bytes.of(0, 0, ServerSessionFuzzTest.RAW)));
        }
        return seeds;
    }

    /** One request of each kind, most of them right, some near an end or a limit. */
    static Bytes requests(final ReplyStyle style) {
        final Bytes stream =
                Messages.write(style, 1, 0, Bytes.text("hello, disk"))
                        .put(Messages.write(style, 2, 512, new Bytes().zeroes(512)))
                        .put(Messages.read(style, 3, 512, 512))
                        .put(Messages.read(style, 4, 10_000, 7))
                        .put(Messages.read(style, 5, 10_000, 8))
                        .put(request(style, Nbd.CMD_FLAG_DF, Nbd.CMD_READ, 6, 0, 1024))
                        .put(request(style, 0, Nbd.CMD_FLUSH, 7, 0, 0))
                        .put(request(style, Nbd.CMD_FLAG_FUA, Nbd.CMD_TRIM, 8, 1024, 4096))
                        .put(request(style, 0, Nbd.CMD_CACHE, 9, 0, 2048))
                        .put(
                                request(
                                        style,
                                        Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO,
                                        Nbd.CMD_WRITE_ZEROES,
                                        10,
                                        512,
                                        1024))
                        .put(
                                request(
                                        style,
                                        Nbd.CMD_FLAG_REQ_ONE,
                                        Nbd.CMD_BLOCK_STATUS,
                                        11,
                                        0,
                                        4096))
                        .put(request(style, 0, 99, 12, 0, 0))
                        .put(Messages.write(style, 13, -1, Bytes.text("skipped")));
        if (style == ReplyStyle.EXTENDED) {
            stream.put(
                    Messages.extendedRequest(
                                    Nbd.CMD_FLAG_PAYLOAD_LEN, Nbd.CMD_BLOCK_STATUS, 14, 0, 12)
                            .u64(512)
                            .u32(0));
        }
        return stream.put(Messages.disconnect(style));
    }

    // ---- What servers say.

    private static Bytes greeting(final int flags) {
        return new Bytes().u64(Nbd.INIT_PASSWD).u64(Nbd.OPTS_MAGIC).u16(flags);
    }

    private static Bytes answer(final int option, final int type, final Bytes data) {
        return new Bytes().u64(Nbd.REP_MAGIC).u32(option).u32(type).u32(data.length()).put(data);
    }

    private static Bytes ack(final int option) {
        return answer(option, Nbd.REP_ACK, new Bytes());
    }

    private static Bytes exportAnswers(final int option) {
        return answer(option, Nbd.REP_INFO, Bytes.of(0, 0).u64(1 << 20).u16(0xfff))
                .put(answer(option, Nbd.REP_INFO, Bytes.of(0, 1).put(Bytes.text("vda"))))
                .put(answer(option, Nbd.REP_INFO, Bytes.of(0, 2).put(Bytes.text("a disk"))))
                .put(answer(option, Nbd.REP_INFO, Bytes.of(0, 3).u32(1).u32(4096).u32(1 << 25)))
                .put(answer(option, Nbd.REP_INFO, Bytes.of(0, 9, 1, 2, 3)))
                .put(ack(option));
    }

    private static Bytes context(final int id, final String name) {
        return answer(
                Nbd.OPT_SET_META_CONTEXT,
                Nbd.REP_META_CONTEXT,
                new Bytes().u32(id).put(Bytes.text(name)));
    }

    static List<byte[]> clientHandshake() {
        final List<byte[]> seeds = new ArrayList<>();
        final Bytes list =
                greeting(3)
                        .put(
                                answer(
                                        Nbd.OPT_LIST,
                                        Nbd.REP_SERVER,
                                        Messages.string("vda").put(Bytes.text("a disk"))))
                        .put(answer(Nbd.OPT_LIST, Nbd.REP_SERVER, Messages.string("vdb")))
                        .put(ack(Nbd.OPT_LIST));
        seeds.addAll(withControl(List.of(list), Bytes.of(0)));
        final Bytes contexts =
                context(0, Nbd.CONTEXT_BASE_ALLOCATION)
                        .put(context(0x8000_0000, "x-lockstep:epoch"))
                        .put(ack(Nbd.OPT_SET_META_CONTEXT));
        final Bytes refused = Bytes.text("no, not \u001b[31mthis\u0007");
        for (final int goal : List.of(1, 2)) {
            final int option = goal == 1 ? Nbd.OPT_INFO : Nbd.OPT_GO;
            seeds.addAll(
                    withControl(List.of(greeting(3).put(exportAnswers(option))), Bytes.of(goal)));
            seeds.addAll(
                    withControl(
                            List.of(
                                    greeting(3)
                                            .put(ack(Nbd.OPT_EXTENDED_HEADERS))
                                            .put(contexts)
                                            .put(exportAnswers(option)),
                                    greeting(3)
                                            .put(
                                                    answer(
                                                            Nbd.OPT_EXTENDED_HEADERS,
                                                            Nbd.REP_ERR_UNSUP,
                                                            new Bytes()))
                                            .put(ack(Nbd.OPT_STRUCTURED_REPLY))
                                            .put(
                                                    answer(
                                                            Nbd.OPT_SET_META_CONTEXT,
                                                            Nbd.REP_ERR_POLICY,
                                                            refused))
                                            .put(exportAnswers(option)),
                                    greeting(3)
                                            .put(ack(Nbd.OPT_EXTENDED_HEADERS))
                                            .put(ack(Nbd.OPT_SET_META_CONTEXT))
                                            .put(answer(option, Nbd.REP_ERR_UNKNOWN, refused))),
                            Bytes.of(goal | 0x38)));
        }
        seeds.addAll(
                withControl(
                        List.of(
                                greeting(0).u64(1 << 20).u16(3).zeroes(Nbd.EXPORT_NAME_PADDING),
                                greeting(3)
                                        .put(answer(Nbd.OPT_GO, Nbd.REP_ERR_UNSUP, new Bytes()))
                                        .u64(1 << 20)
                                        .u16(3),
                                new Bytes().u64(Nbd.INIT_PASSWD).u64(Nbd.CLISERV_MAGIC),
                                Bytes.text("HTTP/1.1 400 Bad Request\r\n")),
                        Bytes.of(2)));
        return seeds;
    }

    /** The cookies that a client gives to its first requests. */
    private static long cookie(final int index) {
        return 0x1_0000L + index;
    }

    private static Bytes simple(final int index, final int error) {
        return new Bytes().u32(Nbd.SIMPLE_REPLY_MAGIC).u32(error).u64(cookie(index));
    }

    private static Bytes chunk(
            final boolean extended,
            final int index,
            final long offset,
            final int flags,
            final int type,
            final Bytes payload) {
        final Bytes chunk =
                new Bytes()
                        .u32(extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC)
                        .u16(flags)
                        .u16(type)
                        .u64(cookie(index));
        return extended
                ? chunk.u64(offset).u64(payload.length()).put(payload)
                : chunk.u32(payload.length()).put(payload);
    }

    static List<byte[]> clientTransmission() {
        final List<byte[]> seeds = new ArrayList<>();
        for (final int past : List.of(0, 5)) {
            seeds.addAll(
                    withControl(
                            List.of(
                                    simple(3, 0)
                                            .put(simple(0, 0))
                                            .zeroes(16)
                                            .put(simple(1, Nbd.EIO))
                                            .put(simple(4, 77))
                                            .put(simple(2, 0))
                                            .u8(1),
                                    simple(1, 0).zeroes(4096).put(simple(1, 0))),
                            Bytes.of(0, past)));
            for (int choice = 1; choice < 16; choice++) {
                if ((choice & 3) != 0) {
                    seeds.addAll(
                            withControl(
                                    List.of(chunks((choice & 2) != 0, (choice & 4) != 0)),
                                    Bytes.of(choice, past)));
                }
            }
        }
        return seeds;
    }

    /** A reply to each request, whole or in parts that are mixed with one another. */
    private static Bytes chunks(final boolean extended, final boolean twoContexts) {
        final int done = Nbd.REPLY_FLAG_DONE;
        final int data = Nbd.REPLY_TYPE_OFFSET_DATA;
        final int hole = Nbd.REPLY_TYPE_OFFSET_HOLE;
        final int none = Nbd.REPLY_TYPE_NONE;
        final int status = extended ? Nbd.REPLY_TYPE_BLOCK_STATUS_EXT : Nbd.REPLY_TYPE_BLOCK_STATUS;
        final Bytes stream = new Bytes();
        stream.put(chunk(extended, 1, 512, 0, data, new Bytes().u64(512).zeroes(100)));
        stream.put(chunk(extended, 0, 0, 0, hole, new Bytes().u64(8).u32(8)));
        stream.put(chunk(extended, 1, 512, 0, hole, new Bytes().u64(1000).u32(3608)));
        stream.put(chunk(extended, 0, 0, done, data, new Bytes().u64(0).zeroes(8)));
        stream.put(chunk(extended, 1, 512, 0, data, new Bytes().u64(612).zeroes(388)));
        stream.put(chunk(extended, 1, 512, done, none, new Bytes()));
        final Bytes extents = new Bytes().u32(twoContexts ? 0 : 7);
        if (extended) {
            extents.u32(2).u64(512).u64(3).u64(1L << 40).u64(0);
        } else {
            extents.u32(512).u32(3).u32(1 << 30).u32(0);
        }
        stream.put(chunk(extended, 5, 0, twoContexts ? 0 : done, status, extents));
        if (twoContexts) {
            final Bytes more = new Bytes().u32(-1);
            if (extended) {
                more.u32(1).u64(10).u64(-1);
            } else {
                more.u32(10).u32(-1);
            }
            stream.put(chunk(extended, 5, 0, done, status, more));
        }
        final Bytes error = new Bytes().u32(Nbd.EIO).u16(3).put(Bytes.text("why"));
        stream.put(chunk(extended, 6, 4096, 0, Nbd.REPLY_TYPE_ERROR_OFFSET, error.u64(5000)));
        stream.put(chunk(extended, 6, 4096, done, none, new Bytes()));
        stream.put(
                chunk(
                        extended,
                        2,
                        ClientTransmissionFuzzTest.EXPORT_SIZE - 1L,
                        done,
                        Nbd.REPLY_TYPE_FLAG_ERROR + 99,
                        new Bytes().u32(1).u16(0).u64(1).u64(2)));
        stream.put(chunk(extended, 7, 100, done, data, new Bytes().u64(100).zeroes(8)));
        stream.put(extended ? chunk(true, 3, 0, done, none, new Bytes()) : simple(3, 0));
        return stream;
    }

    static List<byte[]> qmp() {
        final List<Bytes> streams = new ArrayList<>();
        for (final String text :
                List.of(
                        "{'execute':'qmp_capabilities'}{\"execute\":\"query-block\",\"id\":[1]}",
                        "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'inet',"
                                + " 'data': { 'host': '', 'port': '0' } } } }\r\n",
                        "{'a':'\\'\\\"\\u00e9\"'} [1,-2.5e3,null,true] nul \"x\" }\n{}",
                        "{\"driver\":\"replication\",\"mode\":\"primary\",\"node-name\":\"n\","
                                + "\"file\":{\"driver\":\"nbd\",\"export\":\"e\",\"server\":"
                                + "{\"type\":\"unix\",\"path\":\"/s\"}}}",
                        "{\"driver\":\"quorum\",\"node-name\":\"q\",\"vote-threshold\":1,"
                                + "\"read-pattern\":\"fifo\",\"children\":[\"c\",{\"driver\":"
                                + "\"raw\",\"file\":\"f\"}]}",
                        "[".repeat(70) + "]".repeat(70) + "{}",
                        "{'execute' 'x'} \u0001\n{'execute':'x'}")) {
            streams.add(Bytes.text(text));
        }
        for (final String text :
                List.of(
                        "",
                        "{",
                        "[1,",
                        "{\"a\":\"b",
                        "{'a':'b\\",
                        "{\"a\":tr",
                        "[-1.",
                        "]@ lost ")) {
            for (final int stray : new int[] {0, 1, 0x0a, 0x7f, 0xc3, 0xff}) {
                streams.add(Bytes.text(text).put(Bytes.of(stray)).put(Bytes.text("\"}{}")));
            }
        }
        streams.add(Bytes.text("{'a':1,'a':2}{'a':'\\ud800'}{'exec-oob':'x','execute':'y'}"));
        return withControl(streams, new Bytes());
    }

    static List<byte[]> dottedKeys() {
        return Stream.of(
                        "",
                        "a=1,b.c=2,d.0=x,d.1=y,,,e=",
                        "raw,node-name=n,file.driver=file,file.filename=p",
                        "if=none,driver=raw,file.filename=1.raw,id=colo1",
                        "file=1.raw,format=raw,id=a",
                        "driver=quorum,read-pattern=fifo,id=q,vote-threshold=1,"
                                + "children.0.file.filename=1.raw,children.0.driver=raw,"
                                + "children.1=r,blkverify=off",
                        "driver=replication,mode=primary,file.driver=nbd,file.host=h,"
                                + "file.port=1,file.export=e,node-name=n",
                        "id=s,driver=replication,mode=secondary,top-id=t,file.driver=extents,"
                                + "file.file.filename=a,file.backing.driver=extents,"
                                + "file.backing.file.filename=h,file.backing.backing=d",
                        "nbd,node-name=n,server.type=unix,server.path=/s,export=e",
                        "a.b=1,a=2",
                        "a.0=1,a.2=2",
                        "a=1,a=2",
                        ".=",
                        "a..b=1,=2")
                .map(text -> Bytes.text(text).toArray())
                .toList();
    }

    static List<byte[]> nodeState() {
        final Id group = new Id(7, 1);
        final NodeRecord fresh =
                NodeRecord.fresh(
                        new Id(1, 1),
                        new Id(8, 1),
                        List.of(
                                new DiskIdentity("vda", 1 << 20, "inode 12, born"),
                                new DiskIdentity("\u00e9", 1 << 30, "")));
        final List<NodeRecord> records = new ArrayList<>(List.of(fresh));
        final Node node =
                new Node(
                        fresh,
                        (record, whenStored) -> {
                            records.add(record);
                            whenStored.onStored(Optional.empty());
                        });
        node.reign(group, new Reign(new Id(2, 1), 0, 1)).join();
        node.rejoin(new Id(1, 2), 9).join();
        node.part(new Reign(new Id(2, 2), 10, 2)).join();
        node.leave(new Id(3, 1), 12).join();
        final List<byte[]> seeds = new ArrayList<>();
        for (final NodeRecord record : records) {
            seeds.add(RecordFormat.encode(new RecordFormat.Copy(1, record)));
            final Summary one = Summary.of(record, 12, new Id(3, 1), -1, false);
            seeds.add(new Bytes().put(one.encode()).put(one.encode()).toArray());
            for (final NodeRecord other : records) {
                final Summary second = Summary.of(other, 9, Id.NONE, 8, true);
                seeds.add(new Bytes().put(one.encode()).put(second.encode()).toArray());
            }
        }
        return seeds;
    }

    /** Each stream whole, and in portions. */
    private static List<byte[]> withControl(final List<Bytes> streams, final Bytes control) {
        final List<byte[]> seeds = new ArrayList<>();
        for (final Bytes stream : streams) {
            for (final int portions : List.of(0, 1, 2)) {
                seeds.add(Bytes.of(portions).put(control).put(stream).toArray());
            }
        }
        return seeds;
    }
}

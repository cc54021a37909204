package io.lockstep.interop;

import java.nio.file.Path;

/**
 * SQLite in a directory, as whoever trusts it with something has it: with a write-ahead log, and
 * every commit flushed. A client commits one transaction after the other, of several rows with its
 * number, until its disk is gone; and notes each commit elsewhere.
 */
final class NumberedTransactions {
    private static final String BOTH =
            """
            import sqlite3
            ROWS = 3

            def data(number, part):
                return pattern(1000 + 400 * part, number * ROWS + part)

            # One that checkpoints its log often, so that a kill meets that as well.
            def open_database(directory):
                c = sqlite3.connect(directory + '/transactions.db', isolation_level=None)
                assert c.execute('pragma journal_mode=wal').fetchone() == ('wal',)
                c.execute('pragma synchronous=full')
                c.execute('pragma wal_autocheckpoint=50')
                return c
            """;

    private static final String MAKE =
            """
            c = open_database(sys.argv[1])
            c.execute('create table parts (number integer, part integer, data blob)')
            c.execute('create unique index part on parts (number, part)')
            c.execute('create table total (count integer, bytes integer)')
            c.execute('insert into total values (0, 0)')
            c.close()
            """;

    private static final String WRITE =
            """
            c = open_database(sys.argv[1])
            number = int(sys.argv[2])
            try:
                while True:
                    number += 1
                    print('begun', number)
                    c.execute('begin')
                    for part in range(ROWS):
                        its = data(number, part)
                        c.execute('insert into parts values (?, ?, ?)', (number, part, its))
                        c.execute('update total set count = count + 1, bytes = bytes + ?',
                                  (len(its),))
                    c.execute('commit')
                    print('committed', number)
            except sqlite3.Error as e:
                print('ended', e)
            """;

    private static final String CHECK =
            """
            c = open_database(sys.argv[1])
            problems = c.execute('pragma integrity_check').fetchall()
            assert problems == [('ok',)], problems
            count = bytes_ = last = 0
            for number, part, its in c.execute('select * from parts order by number, part'):
                assert (number, part) == (count // ROWS + 1, count % ROWS), (number, part, count)
                same(its, data(number, part), f'transaction {number}, row {part}')
                count, bytes_, last = count + 1, bytes_ + len(its), number
            assert count % ROWS == 0, f'a part of transaction {last}: {count} rows'
            total = c.execute('select * from total').fetchall()
            assert total == [(count, bytes_)], f'{total}, not {count}, {bytes_}'
            c.close()
            print(last)
            """;

    private final Program client;
    private final int before;

    private NumberedTransactions(final Program client, final int before) {
        this.client = client;
        this.before = before;
    }

    /** Makes a database without any. */
    static void make(final Rig rig, final Path directory) {
        rig.python(BOTH + MAKE, directory.toString());
    }

    /**
     * Starts a client.
     *
     * @param before the number of the last transaction that is there
     */
    static NumberedTransactions start(final Rig rig, final Path directory, final int before) {
        return new NumberedTransactions(
                rig.startPython(BOTH + WRITE, directory.toString(), Integer.toString(before)),
                before);
    }

    /** The database must be in order; answers how many transactions it has, from 1. */
    static int check(final Rig rig, final Path directory) {
        return Integer.parseInt(rig.python(BOTH + CHECK, directory.toString()).out().strip());
    }

    /** Waits until so many have been committed by this client. */
    void await(final int count) {
        client.awaitLine(line -> line.equals("committed " + (before + count)));
    }

    /** Waits until it ends, as its disk is gone. */
    void awaitEnd() {
        client.awaitExit(); // or the kernel ends it: its log's index is mapped
    }

    /** The number of the last one that the client knows to be committed. */
    int committed() {
        return last("committed ");
    }

    /** How many those are. */
    int committedByIt() {
        return committed() - before;
    }

    /** The number of the last one that it has begun. */
    int begun() {
        return last("begun ");
    }

    private int last(final String word) {
        return client.out()
                .lines()
                .filter(line -> line.startsWith(word))
                .mapToInt(line -> Integer.parseInt(line.substring(word.length())))
                .max()
                .orElse(before);
    }

    @Override
    public String toString() {
        return before + " transactions before, begun " + begun() + ", committed " + committed();
    }
}

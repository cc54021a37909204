package io.lockstep.cli.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import io.lockstep.engine.loop.Endpoint;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Path;
import java.util.List;

/** Addresses as managers write them. */
final class AddressReaderTest {
    private static JsonObject inet(final String members) {
        return parse("{'type':'inet','data':{" + members + "}}");
    }

    private static JsonObject parse(final String text) {
        return JsonParser.parseString(text.replace('\'', '"')).getAsJsonObject();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'host':'','port':'0'|*:0",
                "'host':'127.0.0.1','port':'5','numeric':true,'keep-alive':true|127.0.0.1:5",
                "'host':'127.0.0.1','port':'5','ipv4':true|127.0.0.1:5",
                "'host':'127.0.0.1','port':'5','ipv6':false|127.0.0.1:5",
                "'host':'somewhere','port':'5','ipv4':true,'ipv6':true|somewhere:5",
                "'host':'::1','port':'5','ipv6':true,'ipv4':false|[0:0:0:0:0:0:0:1]:5",
                "'host':'','port':'5','ipv6':false|0.0.0.0:5",
            })
    void whereToListen(final String members, final String endpoint) {
        assertEquals(endpoint, AddressReader.listen(inet(members)).getFirst().toString());
    }

    @Test
    void portsToTryAreInTheirOrder() {
        assertEquals(
                List.of(new Endpoint.Tcp("h", 5), new Endpoint.Tcp("h", 6)),
                AddressReader.listen(inet("'host':'h','port':'5','to':6")));
    }

    @Test
    void aUnixSocket() {
        assertEquals(
                List.of(new Endpoint.Unix(Path.of("/run/s"))),
                AddressReader.listen(
                        parse("{'type':'unix','data':{'path':'/run/s','abstract':false}}")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{}|Parameter 'addr.type' is missing",
                "{'type':'x'}|Parameter 'type' does not accept value 'x'; there are inet and",
                "{'type':'fd','data':{'str':'3'}}|Parameter 'type' does not accept value 'fd'",
                "{'type':'vsock'}|Parameter 'type' does not accept value 'vsock'; this",
                "{'type':'unix'}|Parameter 'addr.data' is missing",
                "{'type':'unix','data':{'path':''}}|Parameter 'addr.data.path' is empty",
                "{'type':'unix','data':{'path':'a\\u0000b'}}"
                        + "|Parameter 'addr.data.path' is no path: a path can't have a NUL in it",
                "{'type':'unix','data':{'path':'a','abstract':true}}"
                        + "|Parameter 'addr.data.abstract': there are no abstract sockets here",
                "{'type':'unix','data':{'path':'a'},'x':1}|Parameter 'addr.x' is unexpected",
            })
    void anAddressThatCannotBeSaysWhy(final String address, final String beginning) {
        assertRefused(parse(address), beginning);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'port':'5'|Parameter 'addr.data.host' is missing",
                "'host':'h','port':5|Invalid parameter type for 'addr.data.port', expected: string",
                "'host':'h','port':'70000'|Parameter 'addr.data.port' is no port number: '70000'",
                "'host':'h','port':'5','x':1|Parameter 'addr.data.x' is unexpected",
                "'host':'h','port':'5','to':4|Parameter 'addr.data.to' expects a number from 5",
                "'host':'h','port':'5','to':'6'|Invalid parameter type for 'addr.data.to'",
                "'host':'h','port':'5','numeric':true|address resolution failed for h:5",
                "'host':'h','port':'5','ipv4':false,'ipv6':false|Cannot disable IPv4 and IPv6",
                "'host':'127.0.0.1','port':'5','ipv6':true"
                        + "|address resolution failed for 127.0.0.1:5: it has no address of IPv6",
                "'host':'::1','port':'5','ipv4':true"
                        + "|address resolution failed for ::1:5: it has no address of IPv4",
                "'host':'','port':'5','ipv4':false|without IPv4 no host can't stand for every",
            })
    void aPortThatCannotBeSaysWhy(final String members, final String beginning) {
        assertRefused(inet(members), beginning);
    }

    private static void assertRefused(final JsonObject address, final String beginning) {
        final String sentence =
                assertThrows(GraphException.class, () -> AddressReader.listen(address))
                        .getMessage();
        assertTrue(sentence.startsWith(beginning), sentence);
    }
}

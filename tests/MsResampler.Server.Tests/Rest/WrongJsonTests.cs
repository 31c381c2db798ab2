using System.Text;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Bodies of JSON that are wrong: each has the status 400 and words that say what.</summary>
internal sealed class WrongJsonTests : RestFixture
{
    private const string Feature = "{\"name\":\"features\",\"shape\":[2,4],\"datatype\":\"FP32\",\"data\":";

    private static IEnumerable<TestCaseData> Bodies
    {
        get
        {
            yield return Case("", "found none");
            yield return Case("  ", "not valid");
            yield return Case("null", "an object", "null");
            yield return Case("[]", "an object", "an array");
            yield return Case("{", "not valid at line 1");
            yield return Case("{}", "input 'features'", "no such input");
            yield return Case("\ufeff" + Good, "byte order mark");
            yield return Case(Good + "x", "not valid");
            yield return Case(Good + Good, "not valid");
            yield return Case(Good + "\0", "not valid");
            yield return Case("{\n\n\"inputs\":[,]}", "line 3, byte 11");
            yield return Case("{\"inputs\":1}", "inputs: expected an array, found a number");
            yield return Case("{\"inputs\":[1]}", "inputs[0]: expected an object, found a number");
            yield return Case("{\"inputs\":[null]}", "inputs[0]: expected an object, found null");
            yield return Case("{\"inputs\":[{}]}", "inputs[0]", "'name'");
            yield return Case("{\"inputs\":[],\"inputs\":[]}", "'inputs' appears twice");
            yield return Case($"{{\"inputs\":[{Features},{Features}]}}", "input 'features'", "twice");
            yield return Case("{\"inputs\":[{\"name\":\"a\",\"name\":\"a\"}]}", "inputs[0]", "'name' appears twice");
            yield return Case("{\"inputs\":[{\"name\":1}]}", "inputs[0].name: expected a string, found a number");
            yield return Case("{\"inputs\":[{\"name\":\"grids\",\"datatype\":\"INT32\",\"data\":[1]}]}", "'shape'");
            yield return Case("{\"inputs\":[{\"name\":\"grids\",\"shape\":[1,2],\"data\":[1]}]}", "'datatype'");
            yield return Case("{\"inputs\":[{\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\"}]}", "neither");
            yield return Case("{\"inputs\":[{\"shape\":[1.5,2]}]}", "inputs[0].shape", "64 bits");
            yield return Case("{\"inputs\":[{\"shape\":[1e30]}]}", "inputs[0].shape", "64 bits");
            yield return Case("{\"inputs\":[{\"shape\":[[1]]}]}", "inputs[0].shape", "an integer", "an array");
            yield return Case("{\"inputs\":[{\"shape\":[1,1,1,1,1,1,1,1,1]}]}", "at most 8 extents");
            yield return Case("{\"inputs\":[" + Feature + "[1,2,3,4,5,6,7]}]}", "8 values ([2, 4])", "found 7");
            yield return Case("{\"inputs\":[" + Feature + "[1,2,3,4,5,6,7,8,9]}]}", "8 values ([2, 4])", "more");
            yield return Case("{\"inputs\":[" + Feature + "[]}]}", "found 0");
            yield return Case("{\"inputs\":[" + Feature + "1}]}", "'features', data", "an array", "a number");
            yield return Case("{\"inputs\":[" + Feature + "null}]}", "'features', data", "an array", "null");
            yield return Case("{\"inputs\":[" + Feature + "[[1,2],[3,4],[5,6],[7,8]]}]}", "arrays of 4", "one of 2");
            yield return Case("{\"inputs\":[" + Feature + "[[1,2,3,4]]}]}", "arrays of 2", "one of 1");
            yield return Case("{\"inputs\":[" + Feature + "[[1,2,3,4,5,6,7,8]]}]}", "arrays of 4", "one of 8");
            yield return Case("{\"inputs\":[" + Feature + "[[[1,2,3,4]]]}]}", "an array in another place");
            yield return Case("{\"inputs\":[" + Feature + "[1,[2]]}]}", "an array in another place");
            yield return Case("{\"inputs\":[" + Feature + "[[1,2,3,4],5]}]}", "a value beside arrays");
            yield return Case("{\"inputs\":[" + Feature + "[1,2,{}]}]}", "value 2", "a number", "an object");
            yield return Case("{\"inputs\":[" + Feature + "[1,2,\"3\"]}]}", "value 2", "a number", "a string");
            yield return Case("{\"inputs\":[" + Feature + "[1,null]}]}", "value 1", "a number", "null");
            yield return Case("{\"inputs\":[" + Feature + "[1,true]}]}", "value 1", "a number", "a bool");
            yield return Case("{\"inputs\":[" + Feature + "[1,NaN]}]}", "not valid");
            yield return Case("{\"inputs\":[" + Feature + "[1,\"NaN\"]}]}", "value 1", "a number");
            yield return Case("{\"inputs\":[" + Feature + "[1,-Infinity]}]}", "not valid");
            yield return Case("{\"inputs\":[" + Feature + "[1,1e999]}]}", "value 1", "range of FP32");
            yield return Case("{\"inputs\":[" + Feature + "[1,-3.5e38]}]}", "value 1", "range of FP32");
            yield return Case("{\"inputs\":[" + Feature + $"[1,1{new string('0', 5000)}]}}]}}", "value 1", "4096");
            yield return Case("{\"inputs\":[" + Feature + "[01]}]}", "not valid");
            yield return Case("{\"inputs\":[" + Feature + "[1,]}]}", "not valid");
            yield return Case("{\"inputs\":[" + Feature + "[1] // a\n}]}", "not valid");
            yield return Case("{\"inputs\":[{\"data\":{}}]}", "inputs[0].data", "an array", "an object");
            yield return Case("{\"inputs\":[{\"data\":[1,true]}]}", "inputs[0].data", "a bool");
            yield return Case("{\"inputs\":[{\"data\":[[1,2],[3]],\"name\":\"grids\",\"shape\":[2,2],"
                + "\"datatype\":\"INT32\"}]}", "input 'grids', data", "one of 1");
            yield return Case("{\"inputs\":[{\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\","
                + "\"data\":[1.5,2]}]}", "input 'grids'", "integer of 32 bits");
            yield return Case("{\"inputs\":[{\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\","
                + "\"data\":[1,2147483648]}]}", "value 1", "integer of 32 bits");
            yield return Case("{\"inputs\":[{\"name\":\"image\",\"shape\":[1],\"datatype\":\"BYTES\","
                + "\"data\":[\"AA==\"]}]}", "input 'image'", "'features', 'grids', 'groups' or 'temporal_ids'");
            yield return Case(Feature16("FP16"), "FP16", "binary data");
            yield return Case(Feature16("BF16"), "BF16", "binary data");
            yield return Case(With("\"outputs\":[{\"name\":\"tokens\",\"parameters\":{\"precision\":\"FP16\"}}]"),
                "output 'tokens'", "FP16 is available only as binary data", "binary_data", "FP32");
            yield return Case(With("\"outputs\":[{\"name\":\"none\"}]"), "output 'none'", "'tokens' or 'gate'");
            yield return Case(With("\"outputs\":[{}]"), "outputs[0]", "'name'");
            yield return Case(With("\"outputs\":[{\"name\":\"tokens\"},{\"name\":\"tokens\"}]"), "twice");
            yield return Case(With("\"outputs\":{}"), "outputs", "an array", "an object");
            yield return Case(With("\"parameters\":[]"), "parameters", "an object", "an array");
            yield return Case(With("\"parameters\":{\"a\":1,\"a\":2}"), "parameters", "'a' appears twice");
            yield return Case(With("\"parameters\":{\"timeout\":\"1\"}"), "'timeout'", "an integer");
            yield return Case(With("\"parameters\":{\"timeout\":[1]}"), "'timeout'", "an integer", "another kind");
            yield return Case(With("\"id\":5"), "id: expected a string, found a number");
            yield return Case(With("\"id\":\"\\ud800\""), "id", "surrogate");
            yield return Case(With($"\"id\":\"{new string('x', 70000)}\""), "id", "65536", "70000");
            yield return Case(With("\"more\":" + new string('[', 100) + new string(']', 100)), "depth");
            yield return Case(With("\"parameters\":{" + string.Join(",", Enumerable.Range(0, 300)
                .Select(index => $"\"p{index}\":1")) + "}"), "at most 256");
            yield return Case(With(string.Join(",", Enumerable.Range(0, 600).Select(index => $"\"m{index}\":1"))),
                "at most 512 members");
            yield return Case(With("\"outputs\":[" + string.Join(",", Enumerable.Range(0, 20)
                .Select(index => $"{{\"name\":\"o{index}\"}}")) + "]"), "at most 16 elements");
            yield return Case("{\"inputs\":[{\"name\":\"features\",\"shape\":[2,4],\"datatype\":\"FP32\","
                + "\"parameters\":{\"binary_data_size\":32}}]}", "Inference-Header-Content-Length", "found none");
            yield return Case("{\"inputs\":[" + Feature + "[1,2,3,4,5,6,7,8],"
                + "\"parameters\":{\"binary_data_size\":32}}]}", "found both");
            yield return Case("{\"inputs\":[{\"name\":\"features\",\"shape\":[2,4],\"datatype\":\"FP32\","
                + "\"parameters\":{\"binary_data_size\":\"32\"}}]}", "'binary_data_size'", "an integer", "'32'");
        }
    }

    [TestCaseSource(nameof(Bodies))]
    public async Task AWrongBodyIs400(string body, string[] words) => AssertError(await SendAsync(body), 400, words);

    private static IEnumerable<byte[]> InvalidTexts =>
    [
        [.. "{\"id\":\""u8, 0xc3, 0x28, .. "\"}"u8],
        [.. "{\"more\":\""u8, 0xff, .. "\"}"u8],
        [.. "{\"mo"u8, 0xff, .. "re\":1}"u8],
        [.. "{\"parameters\":{\"a\":\""u8, 0xe2, 0x82, .. "\"}}"u8],
    ];

    [TestCaseSource(nameof(InvalidTexts))]
    public async Task InvalidUtf8Is400(byte[] body) => AssertError(await SendAsync(body), 400, "UTF-8");

    [Test]
    public async Task ATooLargeShapeIs413()
        => AssertError(await SendAsync("{\"inputs\":[{\"name\":\"features\",\"shape\":[9223372036854775807,4],"
            + "\"datatype\":\"FP32\",\"data\":[1]}]}"), 413, "input 'features'", "9223372036854775807");

    [Test]
    public async Task TooManyImagesAre413()
        => AssertError(await SendAsync("{\"inputs\":[{\"name\":\"grids\",\"shape\":[257,2],\"datatype\":\"INT32\","
            + "\"data\":[1]}]}"), 413, "256 images", "257");

    [Test]
    public async Task ABrokenModelIs503()
        => AssertError(await SendAsync(Encoding.UTF8.GetBytes(Good), path: "/v2/models/broken/infer"), 503,
            "'broken'", "could not be loaded");

    [Test]
    public async Task AnUnknownModelIs404()
        => AssertError(await SendAsync(Encoding.UTF8.GetBytes(Good), path: "/v2/models/none/infer"), 404, "'none'");

    [Test]
    public async Task AContentEncodingIs415()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath) { Content = new StringContent(Good) };
        request.Content.Headers.ContentEncoding.Add("gzip");
        AssertError(await SendAsync(request), 415, "Content-Encoding", "'gzip'");
    }

    private static TestCaseData Case(string body, params string[] words)
        => new TestCaseData(body, words).SetArgDisplayNames(body.Length <= 100 ? body : body[..100]);

    private static string With(string member) => $"{{\"inputs\":[{Features},{Grids}],{member}}}";

    private static string Feature16(string datatype)
        => $"{{\"inputs\":[{{\"name\":\"features\",\"shape\":[2,4],\"datatype\":\"{datatype}\","
            + "\"data\":[1,2,3,4,5,6,7,8]}]}";
}

using System.Globalization;
using System.Text;
using MsResampler.Perf.Serving;

namespace MsResampler.Perf.Soak;

/// <summary>A wrong request of REST and the status that it gets.</summary>
/// <param name="Name">What is wrong.</param>
/// <param name="Bytes">The request.</param>
/// <param name="Status">The expected status.</param>
internal sealed record WrongRequest(string Name, byte[] Bytes, int Status)
{
    private const int BadRequest = 400;
    private const int NotFound = 404;
    private const int NotAllowed = 405;
    private const int TooLarge = 413;

    /// <summary>Wrong requests for a model with features of a width.</summary>
    public static WrongRequest[] All(int width)
    {
        string infer = PreparedCall.RestPath;
        string grid = """{"name":"grids","datatype":"INT32","shape":[1,2],"data":[1,1]}""";
        string ones = string.Join(',', Enumerable.Repeat("1", width));
        string features = Features(width, ones);
        byte[] notFinite = [.. BitConverter.GetBytes(float.NaN), .. new byte[4 * (width - 1)]];
        return
        [
            new("no JSON", Post(infer, "{\"inputs\":["), BadRequest),
            new("no inputs", Post(infer, "{}"), BadRequest),
            new("unknown input", Post(infer,
                $$"""{"inputs":[{{features.Replace("features", "feature")}},{{grid}}]}"""), BadRequest),
            new("other width", Post(infer, $$"""{"inputs":[{{Features(width + 1, ones + ",1")}},{{grid}}]}"""),
                BadRequest),
            new("grid of other size", Post(infer,
                $$"""{"inputs":[{{features}},{{grid.Replace("[1,1]", "[2,2]")}}]}"""), BadRequest),
            new("too few values", Post(infer, $$"""{"inputs":[{{Features(width, "1")}},{{grid}}]}"""), BadRequest),
            new("infinite value", Post(infer,
                $$"""{"inputs":[{{Features(width, "1e999" + ones[1..])}},{{grid}}]}"""), BadRequest),
            new("not a number", Binary(infer, width, grid, notFinite), BadRequest),
            new("unknown model", Post("/v2/models/other/infer", $$"""{"inputs":[{{features}},{{grid}}]}"""), NotFound),
            new("unknown path", Post("/v3", "{}"), NotFound),
            new("other method", Encoding.ASCII.GetBytes(
                $"PUT {infer} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), NotAllowed),
            new("too large", Encoding.ASCII.GetBytes(
                $"POST {infer} HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n"), TooLarge),
        ];
    }

    private static string Features(int width, string values) => string.Create(CultureInfo.InvariantCulture,
        $$"""{"name":"features","datatype":"FP32","shape":[1,{{width}}],"data":[{{values}}]}""");

    private static byte[] Post(string path, string json) => Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" +
            $"Content-Length: {json.Length}\r\n\r\n{json}"));

    private static byte[] Binary(string path, int width, string grid, byte[] features)
    {
        string json = string.Create(CultureInfo.InvariantCulture, $$$"""
            {"inputs":[{"name":"features","datatype":"FP32","shape":[1,{{{width}}}],
            "parameters":{"binary_data_size":{{{features.Length}}}}},{{{grid}}}]}
            """);
        return
        [
            .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"POST {path} HTTP/1.1\r\nHost: a\r\nInference-Header-Content-Length: {json.Length}\r\n" +
                $"Content-Length: {json.Length + features.Length}\r\n\r\n{json}")),
            .. features,
        ];
    }
}

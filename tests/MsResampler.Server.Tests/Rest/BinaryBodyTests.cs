using System.Text;

namespace MsResampler.Server.Tests.Rest;

/// <summary>The binary data of requests when they are wrong.</summary>
internal sealed class BinaryBodyTests : RestFixture
{
    private static readonly byte[] s_values = Raw(1f, 2, 3, 4, 5, 6, 7, 8);

    [TestCase("abc", "a number of bytes", "'abc'")]
    [TestCase("-1", "a number of bytes", "'-1'")]
    [TestCase("1.5", "a number of bytes", "'1.5'")]
    [TestCase("99999999999999999999", "a number of bytes", "'99999999999999999999'")]
    [TestCase("100000", "the length of the body", "found 100000")]
    public async Task AWrongJsonLengthIs400(string header, params string[] words)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath) { Content = new StringContent(Good) };
        request.Headers.Add("Inference-Header-Content-Length", header);
        AssertError(await SendAsync(request), 400, ["Inference-Header-Content-Length", .. words]);
    }

    [Test]
    public async Task TwoJsonLengthsAre400()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath) { Content = new StringContent(Good) };
        request.Headers.Add("Inference-Header-Content-Length", ["10", "10"]);
        AssertError(await SendAsync(request), 400, "Inference-Header-Content-Length");
    }

    [Test]
    public async Task AJsonLengthOf0Is400()
        => AssertError(await SendAsync(s_values, 0), 400, "found none");

    [Test]
    public async Task AJsonLengthWithinTheJsonIs400()
        => AssertError(await SendAsync(Encoding.UTF8.GetBytes(Good), Good.Length - 1), 400, "not valid");

    [Test]
    public async Task TooMuchJsonBeforeBinaryDataIs413()
    {
        byte[] body = new byte[1 << 20];
        AssertError(await SendAsync(body, 1 << 20), 400, "not valid");
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath) { Content = new StringContent("") };
        request.Content = new StreamContent(new MemoryStream(body, writable: false));
        request.Headers.TransferEncodingChunked = true;
        request.Headers.Add("Inference-Header-Content-Length", $"{(1 << 20) + 1}");
        AssertError(await SendAsync(request), 413, "1048576", "1048577");
    }

    [TestCase(31, "expected 32 bytes ([2, 4] FP32), found 31")]
    [TestCase(-1, "expected 32 bytes")]
    [TestCase(64, "expected 32 bytes")]
    public async Task ASizeThatTheShapeDoesNotHaveIs400(long size, string words)
        => AssertError(await SendBinaryAsync(size, s_values), 400, "input 'features'", words);

    [TestCase(31, "found")]
    [TestCase(33, "found")]
    [TestCase(0, "found")]
    public async Task ABodyOfAnotherLengthIs400(int length, string word)
        => AssertError(await SendBinaryAsync(32, [.. s_values.Concat(new byte[9]).Take(length)]), 400,
            "expected a body of", word);

    [TestCase(31, "the body ends within input 'features'")]
    [TestCase(33, "expected the end of the body")]
    public async Task ABodyInChunksOfAnotherLengthIs400(int length, string words)
    {
        byte[] json = JsonOf(32);
        byte[] body = [.. json, .. s_values.Concat(new byte[9]).Take(length)];
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath)
        {
            Content = new StreamContent(new MemoryStream(body)),
        };
        request.Headers.TransferEncodingChunked = true;
        request.Headers.Add("Inference-Header-Content-Length", $"{json.Length}");
        AssertError(await SendAsync(request), 400, words);
    }

    [Test]
    public async Task AChunkedBodyThatEndsWithinTheJsonIs400()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath)
        {
            Content = new StreamContent(new MemoryStream(Encoding.UTF8.GetBytes(Good))),
        };
        request.Headers.TransferEncodingChunked = true;
        request.Headers.Add("Inference-Header-Content-Length", $"{Good.Length + 1}");
        AssertError(await SendAsync(request), 400, "the body ends within the JSON");
    }

    [TestCase(float.NaN, "NaN")]
    [TestCase(float.NegativeInfinity, "-infinity")]
    public async Task AFeatureThatIsNotFiniteIs400(float value, string text)
        => AssertError(await SendBinaryAsync(32, Raw(1f, 2, 3, 4, 5, value, 7, 8)), 400,
            $"image 0 (1x2 patches): the feature at row 0, column 1, channel 1 is {text}");

    private Task<Answer> SendBinaryAsync(long size, byte[] values)
    {
        byte[] json = JsonOf(size);
        return SendAsync([.. json, .. values], json.Length);
    }

    private static byte[] JsonOf(long size)
        => Encoding.UTF8.GetBytes("{\"inputs\":[" + Grids + ",{\"name\":\"features\",\"shape\":[2,4],"
            + $"\"datatype\":\"FP32\",\"parameters\":{{\"binary_data_size\":{size}}}}}]}}");
}

using System.Globalization;
using System.Net;
using System.Text;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Bodies that are larger than what the web server buffers, over both versions of HTTP.</summary>
internal sealed class LargeBodyTests : RestFixture
{
    private const int RowCount = 1 << 17;

    private static readonly float[] s_features = CreateFeatures();

    private static readonly string s_grid =
        $"{{\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\",\"data\":[{RowCount / 256},256]}}";

    private byte[] Expected => Raw(Alone.Resample(s_features, new PatchGrid(RowCount / 256, 256)));

    [Test]
    public async Task AStringOfManyMegabytesIsIgnored([Values] bool isHttp2)
    {
        Answer answer = await SendAsync(Encoding.UTF8.GetBytes(
            $"{{\"more\":\"{new string('x', 8 << 20)}\",\"inputs\":[{Features},{Grids}]}}"), null, isHttp2);
        Assert.That(answer.Text, Is.EqualTo((await SendAsync(Good)).Text));
    }

    [Test]
    public async Task JsonOfManyMegabytesIsRead([Values] bool isHttp2, [Values] bool shapeLast)
    {
        string data = "\"data\":["
            + string.Join(",", s_features.Select(value => value.ToString("R", CultureInfo.InvariantCulture))) + "]";
        string names = $"\"name\":\"features\",\"shape\":[{RowCount},4],\"datatype\":\"FP32\"";
        string input = shapeLast ? $"{data},{names}" : $"{names},{data}";
        byte[] body = Encoding.UTF8.GetBytes($"{{\"inputs\":[{{{input}}},{s_grid}]}}");
        Answer answer = await SendAsync(body, null, isHttp2);
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Expected));
    }

    [Test]
    public async Task BinaryDataOfManyMegabytesAreRead([Values] bool isHttp2)
    {
        string json = $"{{\"inputs\":[{{\"name\":\"features\",\"shape\":[{RowCount},4],\"datatype\":\"FP32\","
            + $"\"parameters\":{{\"binary_data_size\":{RowCount * 16}}}}},{s_grid}]}}";
        Answer answer = await SendAsync([.. Encoding.UTF8.GetBytes(json), .. Raw(s_features)], json.Length, isHttp2);
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Expected));
    }

    protected override void Change(ServerSettings settings) => settings.MaxRequestBytes = 64 << 20;

    private async Task<Answer> SendAsync(byte[] body, int? jsonLength, bool isHttp2)
    {
        using HttpRequestMessage request = new(HttpMethod.Post,
            new Uri(isHttp2 ? Server.Grpc : Server.Http, InferPath))
        {
            Version = isHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        if (jsonLength is not null)
            request.Headers.Add("Inference-Header-Content-Length", $"{jsonLength}");
        return await SendAsync(request);
    }

    private static float[] CreateFeatures()
    {
        Random random = new(5);
        float[] features = new float[RowCount * 4];
        for (int index = 0; index < features.Length; index++)
            features[index] = (float)random.NextDouble() - 0.5f;
        return features;
    }
}

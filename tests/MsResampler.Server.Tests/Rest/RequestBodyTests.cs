using System.Runtime.InteropServices;
using System.Text;
using MsResampler.Server.Hosting;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using MsResampler.Server.Rest;
using MsResampler.Server.Rest.Json;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Bodies that arrive in pieces.</summary>
internal sealed class RequestBodyTests
{
    private const string Escaped = "{ \"id\" : \"\\u00e4é\\n\" ,\r\n\"inputs\" : [ { \"name\" : \"features\" , "
        + "\"shape\" : [ 2 , 2 ] , \"datatype\" : \"FP32\" , \"data\" : [ [ 1.25 , -0.5e-3 ] , [ 1e2 , 4 ] ] } ,"
        + "{\"data\":[[1, 2]],\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\"}],"
        + "\"parameters\":{\"precision\":\"FP32\",\"x\":[true,{\"y\":\"z\"}]},\"outputs\":[{\"name\":\"gate\"}]} ";

    private const string Head = "{\"inputs\":[{\"name\":\"features\",\"shape\":[2,2],\"datatype\":\"FP32\","
        + "\"parameters\":{\"binary_data_size\":16}},{\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\","
        + "\"data\":[1,2]}],\"id\":\"äé\\n\",\"outputs\":[{\"name\":\"gate\"}]}";

    private static readonly float[] s_features = [1.25f, -0.5e-3f, 100, 4];

    private MemoryBudget _budget = null!;

    [SetUp]
    public void Open() => _budget = new MemoryBudget(1 << 24);

    [TearDown]
    public void AllMemoryIsFree() => Assert.That(_budget.Used, Is.Zero);

    [Test]
    public async Task JsonMayBeSplitAtEveryByte()
    {
        byte[] body = Encoding.UTF8.GetBytes(Escaped);
        for (int cut = 1; cut < body.Length; cut++)
            await AssertRequestAsync([body[..cut], body[cut..]], null);
    }

    [Test]
    public async Task JsonMayArriveByteByByte()
        => await AssertRequestAsync([.. Encoding.UTF8.GetBytes(Escaped).Select(value => new[] { value })], null);

    [Test]
    public async Task BinaryDataMayBeSplitAtEveryByte()
    {
        byte[] head = Encoding.UTF8.GetBytes(Head);
        byte[] body = [.. head, .. MemoryMarshal.AsBytes(s_features)];
        for (int cut = 1; cut < body.Length; cut++)
            await AssertRequestAsync([body[..cut], body[cut..]], head.Length);
    }

    [Test]
    public async Task BinaryDataMayArriveByteByByte()
    {
        byte[] head = Encoding.UTF8.GetBytes(Head);
        byte[] body = [.. head, .. MemoryMarshal.AsBytes(s_features)];
        await AssertRequestAsync([.. body.Select(value => new[] { value })], head.Length);
    }

    [Test]
    public async Task PicturesInBase64MayBeSplitAnywhere([Values] bool shapeLast)
    {
        byte[] picture = [.. Enumerable.Range(0, 50).Select(value => (byte)(value * 5))];
        string data = $"\"data\":[\"{Convert.ToBase64String(picture).Replace("/", "\\/")}\",\"AQ==\"]";
        string names = "\"name\":\"image\",\"shape\":[2],\"datatype\":\"BYTES\"";
        byte[] body = Encoding.UTF8.GetBytes(
            $"{{\"inputs\":[{{{(shapeLast ? $"{data},{names}" : $"{names},{data}")}}}]}}");
        for (int length = 1; length < 40; length++)
        {
            using InferenceRequest request = await ReadAsync([.. body.Chunk(length)], null);
            Assert.That(request.Pictures.Select(found => found.ToArray()), Is.EqualTo(new[] { picture, [1] }));
        }
    }

    [Test]
    public async Task ATextThatIsNotBase64IsAnError([Values("****", "AQ=", "\\ud800", "A")] string text)
    {
        byte[] body = Encoding.UTF8.GetBytes("{\"inputs\":[{\"name\":\"image\",\"shape\":[1],"
            + $"\"datatype\":\"BYTES\",\"data\":[\"{text}\"]}}]}}");
        ServerException exception = await Assert.ThrowsAsync<ServerException>(() => ReadAsync([body], null));
        Assert.That(exception.Message, Does.Contain("input 'image'").And.Contains("element 0").And.Contains("base64"));
    }

    [Test]
    public async Task ALongStringIsReadInLinearTime()
    {
        // Reading it anew for each of its 1024 pieces would take 1024 calls that parse.
        byte[] picture = new byte[3 << 20];
        byte[] body = Encoding.UTF8.GetBytes("{\"inputs\":[{\"name\":\"image\",\"shape\":[1],\"datatype\":\"BYTES\","
            + $"\"data\":[\"{Convert.ToBase64String(picture)}\"]}}]}}");
        int parseCount = 0;
        using InferenceRequest request = await ReadAsync([.. body.Chunk(4096)], null, () => parseCount++);
        Assert.That(request.Pictures[0].Length, Is.EqualTo(picture.Length));
        Assert.That(parseCount, Is.InRange(2, 14));
    }

    [Test]
    public async Task AStringThatDoesNotFitInTheMemoryIsAnErrorWhileItArrives([Values] bool isTooLarge)
    {
        _budget = new MemoryBudget(1 << 20);
        using MemoryLease other = _budget.Open();
        if (!isTooLarge)
            other.Grow(1 << 19);
        byte[][] pieces = [.. Encoding.UTF8.GetBytes("{\"inputs\":[{\"name\":\"image\",\"shape\":[1],"
            + $"\"datatype\":\"BYTES\",\"data\":[\"{new string('A', 4 << 20)}").Chunk(4096)];
        ServerException exception = await Assert.ThrowsAsync<ServerException>(() => ReadAsync(pieces, null));
        Assert.That(exception.Kind, Is.EqualTo(isTooLarge ? ErrorKind.TooLarge : ErrorKind.Busy));
    }

    [Test]
    public async Task ValuesBeforeTheirShapeCountAsMemory()
    {
        _budget = new MemoryBudget(1 << 18);
        byte[][] pieces = [.. Encoding.UTF8.GetBytes("{\"inputs\":[{\"data\":["
            + string.Join(",", Enumerable.Repeat("1", 1 << 18))).Chunk(4096)];
        ServerException exception = await Assert.ThrowsAsync<ServerException>(() => ReadAsync(pieces, null));
        Assert.That(exception.Kind, Is.EqualTo(ErrorKind.TooLarge));
    }

    [Test]
    public async Task EveryTruncationIsAnError()
    {
        byte[] body = Encoding.UTF8.GetBytes(Escaped.TrimEnd());
        for (int length = 0; length < body.Length; length++)
        {
            byte[] part = body[..length];
            ServerException exception = await Assert.ThrowsAsync<ServerException>(() => ReadAsync([part], null));
            Assert.That(exception.Kind, Is.EqualTo(ErrorKind.InvalidRequest), $"the first {length} bytes");
        }
    }

    private async Task AssertRequestAsync(byte[][] pieces, int? jsonLength)
    {
        using InferenceRequest request = await ReadAsync(pieces, jsonLength);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(request.Id, Is.EqualTo("äé\n"));
            Assert.That(request.Features.ToArray(), Is.EqualTo(s_features));
            Assert.That(request.Grids, Is.EqualTo(new[] { new PatchGrid(1, 2) }));
            Assert.That(request.WantsGate, Is.True);
        }
    }

    private async Task<InferenceRequest> ReadAsync(byte[][] pieces, int? jsonLength, Action? parsed = null)
    {
        ModelShape shape = new(FeatureWidth: 2, TokenCount: 1, TokenWidth: 1, ScopeCount: 1, GateGroupCount: 1,
            HasEncoder: true);
        MemoryLease memory = _budget.Open();
        try
        {
            using RequestInputs inputs = new(shape, new ServerSettings(), memory);
            using JsonRequest json = new(inputs, memory, jsonLength is not null);
            await new RequestBody(new PieceReader(pieces), memory, parsed)
                .ReadAsync(json, jsonLength, null, CancellationToken.None);
            return inputs.Build("", json.Id, json.Parameters, json.Outputs);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }
}

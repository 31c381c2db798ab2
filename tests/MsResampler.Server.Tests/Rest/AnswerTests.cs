using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Answers: every form of a request gives the bits of the library.</summary>
internal sealed class AnswerTests : RestFixture
{
    private static readonly PatchGrid[] s_grids = [new(3, 5), new(2, 2)];

    private static readonly float[] s_features = CreateFeatures(19 * 4);

    private float[] Expected => Alone.Resample(s_features, s_grids);

    private static string FlatFeatures => string.Join(",", s_features.Select(Text));

    private static string NestedFeatures => string.Join(",", s_features.Chunk(4)
        .Select(row => $"[{string.Join(", ", row.Select(Text))}]"));

    private static IEnumerable<string> Inputs =>
    [
        FeaturesOf("\"shape\":[19,4],\"datatype\":\"FP32\"", FlatFeatures) + "," + GridsOf("3,5,2,2"),
        FeaturesOf("\"shape\":[19,4],\"datatype\":\"FP32\"", NestedFeatures) + "," + GridsOf("[3,5],[2,2]"),
        GridsOf(" [ 3 , 5 ] , [ 2 , 2 ] ") + " , " + FeaturesOf("\"datatype\":\"FP32\",\"shape\":[19,4]", FlatFeatures),
        $"{{\"data\":[{NestedFeatures}],\"datatype\":\"FP32\",\"name\":\"features\",\"shape\":[19,4]}},"
            + "{\"data\":[[3,5],[2,2]],\"name\":\"grids\",\"datatype\":\"INT32\",\"shape\":[2,2]}",
        $"{{\"name\":\"features\",\"data\":[{FlatFeatures}],\"shape\":[19,4],\"datatype\":\"FP32\","
            + "\"parameters\":null},"
            + GridsOf("3,5,2,2"),
    ];

    [TestCaseSource(nameof(Inputs))]
    public async Task JsonHasTheBitsOfTheLibrary(string inputs)
    {
        Answer answer = await SendAsync($"{{\"id\":\"a1\",\"inputs\":[{inputs}]}}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
            Assert.That(answer.ContentType, Is.EqualTo("application/json"));
            Assert.That(answer.Json.GetProperty("model_name").GetString(), Is.EqualTo("small"));
            Assert.That(answer.Json.GetProperty("model_version").GetString(), Is.EqualTo("1"));
            Assert.That(answer.Json.GetProperty("id").GetString(), Is.EqualTo("a1"));
            Assert.That(answer.Output(0).GetProperty("name").GetString(), Is.EqualTo("tokens"));
            Assert.That(answer.Output(0).GetProperty("datatype").GetString(), Is.EqualTo("FP32"));
            Assert.That(answer.Output(0).GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt32()),
                Is.EqualTo(new[] { 2, Alone.TokenCount, Alone.TokenWidth }));
            Assert.That(Raw(answer.Data(0)), Is.EqualTo(Raw(Expected)));
        }
    }

    [Test]
    public async Task BinaryDataHaveTheBitsOfTheLibrary([Values] bool perOutput)
    {
        string json = "{\"inputs\":[{\"name\":\"features\",\"shape\":[19,4],\"datatype\":\"FP32\","
            + "\"parameters\":{\"binary_data_size\":304}},{\"name\":\"grids\",\"shape\":[2,2],\"datatype\":\"INT32\","
            + "\"parameters\":{\"binary_data_size\":16}}],"
            + (perOutput ? "\"outputs\":[{\"name\":\"tokens\",\"parameters\":{\"binary_data\":true}}]}"
                : "\"parameters\":{\"binary_data_output\":true}}");
        Answer answer = await SendAsync([.. Encoding.UTF8.GetBytes(json), .. Raw(s_features), .. Raw(3, 5, 2, 2)],
            json.Length);
        AssertBinary(answer);
    }

    [Test]
    public async Task JsonAndBinaryInputsMayBeMixed([Values] bool binaryFirst)
    {
        string binary = "{\"name\":\"features\",\"shape\":[19,4],\"datatype\":\"FP32\","
            + "\"parameters\":{\"binary_data_size\":304}}";
        string json = GridsOf("3,5,2,2");
        string text = $"{{\"inputs\":[{(binaryFirst ? $"{binary},{json}" : $"{json},{binary}")}],"
            + "\"parameters\":{\"binary_data_output\":true}}";
        AssertBinary(await SendAsync([.. Encoding.UTF8.GetBytes(text), .. Raw(s_features)], text.Length));
    }

    [Test]
    public async Task AJsonLengthWithoutBinaryDataIsAllowed()
    {
        Answer answer = await SendAsync(Encoding.UTF8.GetBytes(Good), Good.Length);
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
    }

    [TestCase("FP16")]
    [TestCase("BF16")]
    public async Task FeaturesOf16BitsAreWidenedExactly(string datatype)
    {
        bool isHalf = datatype == "FP16";
        byte[] raw = isHalf ? Raw(Array.ConvertAll(s_features, value => (Half)value))
            : Raw(Array.ConvertAll(s_features, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)));
        float[] widened = isHalf ? Array.ConvertAll(s_features, value => (float)(Half)value)
            : Array.ConvertAll(s_features, value
                => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xffff_0000));
        string json = $"{{\"inputs\":[{{\"name\":\"features\",\"shape\":[19,4],\"datatype\":\"{datatype}\","
            + $"\"parameters\":{{\"binary_data_size\":152}}}},{GridsOf("3,5,2,2")}]}}";
        Answer answer = await SendAsync([.. Encoding.UTF8.GetBytes(json), .. raw], json.Length);
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Raw(Alone.Resample(widened, s_grids))), answer.Text);
    }

    [TestCase("FP16")]
    [TestCase("BF16")]
    public async Task TokensOf16BitsAreTheNearest(string datatype)
    {
        Answer answer = await SendAsync($"{{\"inputs\":[{Inputs.First()}],"
            + $"\"parameters\":{{\"binary_data_output\":true,\"precision\":\"{datatype}\"}}}}");
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        ushort[] bits = MemoryMarshal.Cast<byte, ushort>(answer.Binary).ToArray();
        Assert.That(answer.Output(0).GetProperty("datatype").GetString(), Is.EqualTo(datatype));
        Assert.That(bits, Is.EqualTo(datatype == "FP16"
            ? Array.ConvertAll(Expected, value => BitConverter.HalfToUInt16Bits((Half)value))
            : Array.ConvertAll(Expected, NearestBFloat16)));
    }

    [Test]
    public async Task TheGateComesInTheOrderOfTheRequest([Values] bool binaryTokens)
    {
        Answer answer = await SendAsync($"{{\"inputs\":[{Inputs.First()}],\"outputs\":[{{\"name\":\"gate\"}},"
            + $"{{\"name\":\"tokens\",\"parameters\":{{\"binary_data\":{(binaryTokens ? "true" : "false")}}}}}]}}");
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        float[] tokens = new float[Expected.Length];
        float[] gate = new float[Alone.GateLength(2)];
        Alone.Resample(s_features, new FrameGroups(s_grids), tokens, gate);
        Assert.That(answer.Output(0).GetProperty("name").GetString(), Is.EqualTo("gate"));
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Raw(gate)));
        Assert.That(binaryTokens ? answer.Binary : Raw(answer.Data(1)), Is.EqualTo(Raw(tokens)));
    }

    [Test]
    public async Task GroupsOfFramesGiveOneSetOfTokens()
    {
        Answer answer = await SendAsync($"{{\"inputs\":[{Inputs.First()},{{\"name\":\"groups\",\"shape\":[1],"
            + "\"datatype\":\"INT32\",\"data\":[2]}]}");
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Raw(
            Alone.Resample(s_features, new FrameGroups(s_grids, [-1, -1], [2])))));
    }

    [Test]
    public async Task UnknownMembersAndParametersAreIgnored()
    {
        Answer answer = await SendAsync("{\"more\":{\"a\":[1,{\"b\":null}]},\"id\":null,\"parameters\":"
            + "{\"x\":{\"y\":[1]},\"z\":1e400},\"outputs\":null,"
            + $"\"inputs\":[{Features},{Grids[..^1]},\"note\":[[]],\"parameters\":{{}}}}]}}");
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        Assert.That(answer.Json.TryGetProperty("id", out _), Is.False);
    }

    [Test]
    public async Task NumbersAreReadToTheNearestFloat()
    {
        // Halfway between 1 and the next float is 1 + 2^-24: a tie, and just above and below it.
        string[] texts = ["1.000000059604644775390625", "1.00000005960464477539062500000000000001",
            "1.000000059604644775390624999999999999", "1e-45", "-0", "-0.0", "16777217", "0.1"];
        float[] expected = [1f, 1 + MathF.Pow(2, -23), 1f, float.Epsilon, -0f, -0f, 16777216f, 0.1f];
        Answer answer = await SendAsync($"{{\"inputs\":[{Grids},{FeaturesOf("\"shape\":[2,4],\"datatype\":\"FP32\"",
            string.Join(",", texts))}]}}");
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Raw(Alone.Resample(expected, new PatchGrid(1, 2)))));
    }

    [Test]
    public async Task TheTimeoutOfTheRequestCounts()
    {
        Answer answer = await SendAsync($"{{\"inputs\":[{Features},{Grids}],\"parameters\":{{\"timeout\":60000000}}}}");
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
    }

    [Test]
    public async Task LongJsonAnswersArriveInPieces()
    {
        int count = (2 * 4096 / (Alone.TokenCount * Alone.TokenWidth)) + 1;
        float[] features = CreateFeatures(count * 4);
        string ones = string.Join(",", Enumerable.Repeat("1", 2 * count));
        Answer answer = await SendAsync($"{{\"inputs\":[{{\"name\":\"features\",\"shape\":[{count},4],"
            + $"\"datatype\":\"FP32\",\"data\":[{string.Join(",", features.Select(Text))}]}},{{\"name\":\"grids\","
            + $"\"shape\":[{count},2],\"datatype\":\"INT32\",\"data\":[{ones}]}}]}}");
        Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
        Assert.That(Raw(answer.Data(0)), Is.EqualTo(Raw(
            Alone.Resample(features, Enumerable.Repeat(new PatchGrid(1, 1), count).ToArray()))));
    }

    private void AssertBinary(Answer answer)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)answer.Status, Is.EqualTo(200), answer.Text);
            Assert.That(answer.ContentType, Is.EqualTo("application/octet-stream"));
            Assert.That(answer.Output(0).GetProperty("parameters").GetProperty("binary_data_size").GetInt32(),
                Is.EqualTo(Expected.Length * 4));
            Assert.That(answer.Output(0).TryGetProperty("data", out _), Is.False);
            Assert.That(answer.Binary, Is.EqualTo(Raw(Expected)));
        }
    }

    private static ushort NearestBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint below = bits >> 16;
        uint rest = bits & 0xffff;
        bool up = rest > 0x8000 || (rest == 0x8000 && below % 2 == 1);
        return (ushort)(below + (up ? 1u : 0u));
    }

    private static float[] CreateFeatures(int count)
    {
        Random random = new(3);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];
    }

    private static string Text(float value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string FeaturesOf(string members, string data)
        => $"{{\"name\":\"features\",{members},\"data\":[{data}]}}";

    private static string GridsOf(string data)
        => $"{{\"name\":\"grids\",\"shape\":[2,2],\"datatype\":\"INT32\",\"data\":[{data}]}}";
}

using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using MsResampler.Server.Grpc;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Protocol;
using static MsResampler.Server.Grpc.Protocol.ModelInferRequest.Types;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>The estimate of what a message becomes, against what its parser allocates.</summary>
internal sealed class MessageCostTests
{
    private static readonly MessageDescriptor s_type = ModelInferRequest.Descriptor;

    private static IEnumerable<TestCaseData> Messages()
    {
        yield return Case("nothing", []);
        yield return Case("raw values", new ModelInferRequest { RawInputContents = { Zeros(1 << 20), Zeros(16) } });
        yield return Case("many raw values", new ModelInferRequest { RawInputContents = { Many(ByteString.Empty) } });
        yield return Case("short raw values", new ModelInferRequest { RawInputContents = { Many(Zeros(1)) } });
        yield return Case("many inputs", new ModelInferRequest { Inputs = { Many(new InferInputTensor()) } });
        yield return Case("inputs with contents", new ModelInferRequest
        {
            Inputs = { Many(new InferInputTensor { Contents = new InferTensorContents() }) },
        });
        yield return Case("many outputs", new ModelInferRequest
        {
            Outputs = { Many(new InferRequestedOutputTensor { Name = "a" }) },
        });
        ModelInferRequest parameters = new();
        for (int index = 0; index < 5000; index++)
            parameters.Parameters[$"{index}"] = new InferParameter { BoolParam = true };
        yield return Case("parameters", parameters);
        yield return Case("a long identifier", new ModelInferRequest { Id = new string('x', 1 << 20) });
        yield return Case("a shape", new ModelInferRequest
        {
            Inputs = { new InferInputTensor { Shape = { Many(1L) } } },
        });
        yield return Case("bools", Contents(new InferTensorContents { BoolContents = { Many(true) } }));
        yield return Case("integers", Contents(new InferTensorContents { IntContents = { Many(1) } }));
        yield return Case("unsigned integers", Contents(new InferTensorContents { UintContents = { Many(1u) } }));
        yield return Case("long integers", Contents(new InferTensorContents { Int64Contents = { Many(1L) } }));
        yield return Case("unsigned long integers", Contents(new InferTensorContents
        {
            Uint64Contents = { Many(1ul) },
        }));
        yield return Case("floats", Contents(new InferTensorContents { Fp32Contents = { Many(1f) } }));
        yield return Case("doubles", Contents(new InferTensorContents { Fp64Contents = { Many(1d) } }));
        yield return Case("strings", Contents(new InferTensorContents { BytesContents = { Many(Zeros(1)) } }));
        yield return Case("unknown numbers", [.. Many(new byte[] { 15 << 3, 1 }).SelectMany(field => field)]);
        yield return Case("unknown bytes", [.. Many(new byte[] { (15 << 3) | 2, 0 }).SelectMany(field => field)]);
        yield return Case("different unknown fields", [.. Enumerable.Range(16, 1000)
            .SelectMany(number => new byte[] { (byte)(0x80 | ((number << 3) & 0x7f)), (byte)(number >> 4), 1 })]);
        // A list of floats, one field each.
        byte[] floats = [.. Many(new byte[] { (6 << 3) | 5, 0, 0, 0, 0 }).SelectMany(field => field)];
        yield return Case("floats that are not packed", Nest(5, Nest(5, floats)));
    }

    [TestCaseSource(nameof(Messages))]
    public void Parsing_allocates_no_more_than_the_estimate(byte[] message)
    {
        ReadOnlySequence<byte> sequence = Segments.Of(message, 4096);
        ModelInferRequest.Parser.ParseFrom(sequence);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelInferRequest parsed = ModelInferRequest.Parser.ParseFrom(sequence);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        GC.KeepAlive(parsed);
        Assert.That(MessageCost.Of(sequence, s_type), Is.GreaterThanOrEqualTo(allocated));
    }

    /// <summary>Features are most of a usual message, which must not count several times.</summary>
    [Test]
    public void Raw_values_cost_little_more_than_their_bytes()
    {
        byte[] message = new ModelInferRequest { RawInputContents = { Zeros(1 << 20) } }.ToByteArray();
        Assert.That(MessageCost.Of(new(message), s_type), Is.LessThan(message.Length + 4096));
    }

    [Test]
    public void The_estimate_ends_at_the_limit()
    {
        byte[] message = new ModelInferRequest { Inputs = { Many(new InferInputTensor()) } }.ToByteArray();
        Assert.That(MessageCost.Of(new(message), s_type, 10_000), Is.InRange(10_000, 20_000));
    }

    [TestCase(new byte[] { 0x08 }, TestName = "A_number_without_an_end_is_no_message")]
    [TestCase(new byte[] { 0x0A, 0x05, 0x41 }, TestName = "A_field_longer_than_its_message_is_no_message")]
    [TestCase(new byte[] { 0x2A, 0x02, 0x0A, 0x05, 0x41, 0x41, 0x41, 0x41, 0x41 },
        TestName = "A_field_longer_than_its_inner_message_is_no_message")]
    [TestCase(new byte[] { 0x2A, 0x01, 0x0A, 0x01, 0x41 }, TestName = "A_length_outside_its_message_is_no_message")]
    [TestCase(new byte[] { 0x00, 0x00 }, TestName = "A_field_without_a_number_is_no_message")]
    [TestCase(new byte[] { 0x0B, 0x0C }, TestName = "A_group_is_no_message")]
    [TestCase(new byte[] { 0x0F }, TestName = "An_unknown_wire_type_is_no_message")]
    [TestCase(new byte[] { 0x7D, 1, 2, 3 }, TestName = "A_fixed_number_without_an_end_is_no_message")]
    [TestCase(new byte[] { 0x0A, 0x01, 0xFF }, TestName = "A_string_that_is_not_UTF_8_is_no_message")]
    [TestCase(new byte[] { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 },
        TestName = "A_number_of_more_than_64_bits_is_no_message")]
    public void Other_bytes_are_no_message(byte[] message)
    {
        ServerException failure = Assert.Throws<ServerException>(() => MessageCost.Of(new(message), s_type))!;
        Assert.That(failure.Kind, Is.EqualTo(ErrorKind.InvalidRequest));
    }

    /// <summary>An exception of the parser would be an error without a clear status.</summary>
    [Test]
    public void The_parser_accepts_every_message_that_has_an_estimate()
    {
        Random random = new(7);
        byte[] valid = new ModelInferRequest
        {
            ModelName = "small",
            Id = "é",
            Parameters = { ["timeout"] = new InferParameter { Int64Param = 5 } },
            Inputs =
            {
                new InferInputTensor
                {
                    Name = "features",
                    Shape = { 2, 300 },
                    Contents = new InferTensorContents { Fp32Contents = { 1, 2 }, IntContents = { 1000, -1 } },
                },
            },
            RawInputContents = { Zeros(9) },
        }.ToByteArray();
        (int accepted, int rejected) = (0, 0);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] message = [.. valid];
            for (int change = random.Next(1, 4); change > 0; change--)
                message[random.Next(message.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0)
                message = message[..random.Next(message.Length)];
            try
            {
                MessageCost.Of(Segments.Of(message, 3), s_type);
                accepted++;
            }
            catch (ServerException)
            {
                rejected++;
                continue;
            }

            Assert.That(() => ModelInferRequest.Parser.ParseFrom(message), Throws.Nothing,
                Convert.ToHexString(message));
        }

        Assert.That(Math.Min(accepted, rejected), Is.GreaterThan(1000));
    }

    private static TestCaseData Case(string name, ModelInferRequest message) => Case(name, message.ToByteArray());

    private static TestCaseData Case(string name, byte[] message)
        => new TestCaseData(message).SetArgDisplayNames(name);

    private static ModelInferRequest Contents(InferTensorContents contents)
        => new() { Inputs = { new InferInputTensor { Contents = contents } } };

    private static ByteString Zeros(int count) => ByteString.CopyFrom(new byte[count]);

    /// <summary>One more than a power of two: a list that doubles its array has twice what it needs.</summary>
    private static IEnumerable<T> Many<T>(T value) => Enumerable.Repeat(value, (1 << 14) + 1);

    /// <summary>A message as a field of another one.</summary>
    private static byte[] Nest(int number, byte[] message)
    {
        List<byte> outer = [(byte)((number << 3) | 2)];
        int length = message.Length;
        for (; length >= 0x80; length >>= 7)
            outer.Add((byte)(length | 0x80));
        return [.. outer, (byte)length, .. message];
    }
}

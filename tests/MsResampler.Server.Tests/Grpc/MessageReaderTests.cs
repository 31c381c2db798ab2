using System.Buffers.Binary;
using System.IO.Pipelines;
using Google.Protobuf;
using Grpc.Core;
using MsResampler.Server.Grpc;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>The reservation of memory while a message arrives.</summary>
internal sealed class MessageReaderTests
{
    private const int Capacity = 100_000;
    private const int MaxBytes = 80_000;

    private MemoryBudget _budget = null!;
    private MemoryLease _memory = null!;
    private Pipe _pipe = null!;
    private MessageReader _reader = null!;

    [SetUp]
    public void CreateReader()
    {
        _budget = new MemoryBudget(Capacity);
        _memory = _budget.Open();
        _pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        _reader = new MessageReader(_pipe.Reader, ModelInferRequest.Descriptor, _memory, Capacity, MaxBytes);
    }

    [TearDown]
    public void Dispose() => _memory.Dispose();

    [Test]
    public async Task Every_byte_is_reserved_as_it_arrives()
    {
        byte[] message = Message(1000);
        for (int count = 1; count < message.Length; count++)
        {
            await _pipe.Writer.WriteAsync(message.AsMemory(count - 1, 1));
            ReadResult result = await _reader.ReadAsync();
            Assert.That(_budget.Used, Is.EqualTo(count));
            _reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    [Test]
    public async Task What_the_message_becomes_is_reserved_before_it_is_parsed_and_stays()
    {
        byte[] message = Message(1000);
        await _pipe.Writer.WriteAsync(message);
        ReadResult result = await _reader.ReadAsync();
        long parsed = MessageCost.Of(result.Buffer.Slice(5), ModelInferRequest.Descriptor);
        long whole = _budget.Used;
        _reader.AdvanceTo(result.Buffer.End);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(parsed, Is.GreaterThan(1000));
            Assert.That(whole, Is.EqualTo(message.Length + parsed));
            Assert.That(_budget.Used, Is.EqualTo(parsed));
        }
    }

    [Test]
    public async Task The_message_is_counted_once_although_it_is_read_again()
    {
        byte[] message = Message(1000);
        await _pipe.Writer.WriteAsync(message);
        ReadResult result = await _reader.ReadAsync();
        long whole = _budget.Used;
        _reader.AdvanceTo(result.Buffer.Start);
        Assert.That(_reader.TryRead(out result), Is.True);
        Assert.That(_budget.Used, Is.EqualTo(whole));
        _reader.AdvanceTo(result.Buffer.End);
    }

    [Test]
    public async Task A_message_that_does_not_fit_now_is_refused_with_the_time_to_wait()
    {
        using MemoryLease others = _budget.Open();
        others.Grow(Capacity - 500);
        await _pipe.Writer.WriteAsync(Message(1000).AsMemory(0, 600));
        RpcException failure = (await Assert.ThrowsAsync<RpcException>(async () => await _reader.ReadAsync()))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
            Assert.That(failure.Trailers.GetValue("retry-after"), Is.EqualTo("1"));
            Assert.That(failure.Trailers.GetValue("grpc-retry-pushback-ms"), Is.EqualTo("1000"));
            Assert.That(_budget.Used, Is.EqualTo(Capacity - 500));
        }
    }

    [Test]
    public async Task A_message_above_the_limit_is_refused_when_its_length_is_known()
    {
        byte[] header = new byte[5];
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(1), uint.MaxValue);
        await _pipe.Writer.WriteAsync(header);
        RpcException failure = (await Assert.ThrowsAsync<RpcException>(async () => await _reader.ReadAsync()))!;
        Assert.That(failure.Status, Has.Property("StatusCode").EqualTo(StatusCode.ResourceExhausted)
            .And.Property("Detail").Contains("4294967295"));
    }

    /// <summary>12,000 inputs of two bytes each.</summary>
    [Test]
    public async Task A_small_message_that_becomes_large_is_refused()
    {
        ModelInferRequest request = new();
        for (int count = 0; count < 12_000; count++)
            request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor());
        byte[] message = request.ToByteArray();
        await _pipe.Writer.WriteAsync(WithHeader(message));
        RpcException failure = (await Assert.ThrowsAsync<RpcException>(async () => await _reader.ReadAsync()))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(message, Has.Length.LessThan(Capacity / 2));
            Assert.That(failure.StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
        }
    }

    private static byte[] Message(int count) => WithHeader(new ModelInferRequest
    {
        RawInputContents = { ByteString.CopyFrom(new byte[count]) },
    }.ToByteArray());

    private static byte[] WithHeader(byte[] message)
    {
        byte[] framed = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
        message.CopyTo(framed, 5);
        return framed;
    }
}

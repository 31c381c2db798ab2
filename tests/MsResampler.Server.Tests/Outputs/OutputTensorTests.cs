using System.Runtime.InteropServices;
using MsResampler.Server.Models;
using MsResampler.Server.Outputs;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Outputs;

/// <summary>Values of answers as raw contents.</summary>
internal sealed class OutputTensorTests
{
    private static readonly ModelShape s_shape = new(1, 1, 4, 1, 1, false);

    [Test]
    public void Float32KeepsItsBits()
        => Assert.That(Write<float>(Datatype.Fp32, 1.1f, -0f, float.MaxValue, float.Epsilon),
            Is.EqualTo(new[] { 1.1f, -0f, float.MaxValue, float.Epsilon }));

    [Test]
    public void Float16RoundsToNearestEven()
    {
        // One place of float16 above 1 is 2^-10.
        float place = 1f / 1024;
        Assert.That(Write<ushort>(Datatype.Fp16, 1 + (place / 2), 1 + (1.5f * place), 1 + (0.51f * place), -65519f),
            Is.EqualTo(new ushort[] { 0x3c00, 0x3c02, 0x3c01, 0xfbff }));
    }

    [Test]
    public void BFloat16RoundsToNearestEven()
    {
        // One place of bfloat16 above 1 is 2^-7.
        float place = 1f / 128;
        Assert.That(Write<ushort>(Datatype.Bf16, 1 + (place / 2), 1 + (1.5f * place), 1 + (0.51f * place), -0f),
            Is.EqualTo(new ushort[] { 0x3f80, 0x3f82, 0x3f81, 0x8000 }));
    }

    [Test]
    public void BFloat16IsTheNearestOfItsNeighbours()
    {
        Random random = new(1);
        for (int round = 0; round < 10000; round++)
        {
            float value = BitConverter.UInt32BitsToSingle(((uint)random.Next() & 0x7fff_ffff) % 0x7f7f_8000);
            ushort bits = Write<ushort>(Datatype.Bf16, value, 0, 0, 0)[0];
            double error = Math.Abs(Widen(bits) - (double)value);
            Assert.That(error, Is.LessThanOrEqualTo(Math.Abs(Widen((ushort)(bits + 1)) - (double)value)));
            if (bits > 0)
                Assert.That(error, Is.LessThanOrEqualTo(Math.Abs(Widen((ushort)(bits - 1)) - (double)value)));
        }
    }

    [TestCase(65520f)]
    [TestCase(-1e6f)]
    public void ATokenOutsideTheRangeOfFloat16IsAnErrorThatSaysWhatToDo(float value)
    {
        ServerException exception = Assert.Throws<ServerException>(() => Write<ushort>(Datatype.Fp16, 1, value, 2, 3));
        Assert.That(exception.Kind, Is.EqualTo(ErrorKind.InvalidRequest));
        Assert.That(exception.Message, Does.Contain("'tokens'").And.Contains("FP16").And.Contains("BF16 or FP32"));
    }

    [Test]
    public void ATokenOutsideTheRangeOfBFloat16IsAnError()
    {
        float largest = BitConverter.UInt32BitsToSingle(0x7f7f_7fff);
        Assert.That(Write<ushort>(Datatype.Bf16, largest, 0, 0, 0)[0], Is.EqualTo(0x7f7f));
        ServerException exception = Assert.Throws<ServerException>(
            () => Write<ushort>(Datatype.Bf16, MathF.BitIncrement(largest), 0, 0, 0));
        Assert.That(exception.Message, Does.Contain("ask for FP32"));
    }

    private static float Widen(ushort bits) => BitConverter.Int32BitsToSingle(bits << 16);

    private static T[] Write<T>(Datatype datatype, params float[] values)
        where T : unmanaged
    {
        using InferenceRequest request = new() { Client = "", Outputs = [new("tokens", datatype, true)] };
        using InferenceResult result = new() { Tokens = values, GroupCount = 1 };
        OutputTensor output = OutputTensor.Of(request, result, s_shape)[0];
        byte[] bytes = new byte[output.RawLength];
        int half = values.Length / 2;
        int size = bytes.Length / values.Length;
        output.WriteRaw(0, half, bytes);
        output.WriteRaw(half, values.Length - half, bytes.AsSpan(half * size));
        return MemoryMarshal.Cast<byte, T>(bytes).ToArray();
    }
}

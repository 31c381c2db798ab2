using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Outputs;

/// <summary>An output of an answer: its values are still float32 and are rounded when they are written.</summary>
/// <param name="Name">The name of the tensor.</param>
/// <param name="Datatype">The type in which it is written.</param>
/// <param name="Shape">The extents.</param>
/// <param name="Values">The values, which live as long as the result.</param>
/// <param name="IsBinary">Whether a REST answer has the values as binary data.</param>
internal sealed record OutputTensor(string Name, Datatype Datatype, long[] Shape, ReadOnlyMemory<float> Values,
    bool IsBinary)
{
    /// <summary>The size of the values as raw contents.</summary>
    public long RawLength => (long)Values.Length * Datatypes.SizeOf(Datatype);

    /// <summary>The outputs of an answer, in the order in which the request names them.</summary>
    /// <exception cref="ServerException">A value is outside the range of the type that the request asks
    /// for.</exception>
    public static OutputTensor[] Of(InferenceRequest request, InferenceResult result, ModelShape shape)
    {
        OutputTensor[] outputs = new OutputTensor[request.Outputs.Count];
        for (int index = 0; index < outputs.Length; index++)
        {
            RequestedOutput requested = request.Outputs[index];
            bool isGate = requested.Name == TensorNames.Gate;
            outputs[index] = new(requested.Name, requested.Datatype,
                isGate ? [result.GroupCount, shape.TokenCount, shape.ScopeCount, shape.GateGroupCount]
                    : [result.GroupCount, shape.TokenCount, shape.TokenWidth],
                isGate ? result.Gate : result.Tokens, requested.IsBinary);
            outputs[index].CheckRange();
        }

        return outputs;
    }

    /// <summary>Writes some of the values as raw contents: little-endian, 16-bit types rounded to nearest, ties to
    /// even.</summary>
    /// <param name="start">The index of the first value.</param>
    /// <param name="count">The number of values.</param>
    /// <param name="destination">Receives the bytes; at least <paramref name="count"/> values long.</param>
    public void WriteRaw(int start, int count, Span<byte> destination)
    {
        ReadOnlySpan<float> source = Values.Span.Slice(start, count);
        switch (Datatype)
        {
            case Datatype.Fp16:
                TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(destination));
                break;
            case Datatype.Bf16:
                for (int index = 0; index < source.Length; index++)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(destination[(index * sizeof(ushort))..],
                        BFloat16Of(source[index]));
                }

                break;
            default:
                MemoryMarshal.AsBytes(source).CopyTo(destination);
                break;
        }
    }

    private static ushort BFloat16Of(float value)
    {
        // Half of the last place that is kept, less one if the kept part is even: ties then round to even.
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    private void CheckRange()
    {
        // The smallest magnitudes that round to infinity: halfway between the largest number and the next power of two.
        float limit = Datatype switch
        {
            Datatype.Fp16 => 65520f,
            Datatype.Bf16 => BitConverter.UInt32BitsToSingle(0x7f7f_8000),
            _ => float.PositiveInfinity,
        };
        if (float.IsInfinity(limit) || Values.Length == 0 || TensorPrimitives.MaxMagnitude(Values.Span) is var largest
            && MathF.Abs(largest) < limit)
            return;
        throw new ServerException(ErrorKind.InvalidRequest, FormattableString.Invariant(
            $"output '{Name}': the value {largest} is outside the range of {Datatypes.NameOf(Datatype)}; ask for ")
            + (Datatype == Datatype.Fp16 ? "BF16 or FP32" : "FP32"));
    }
}

using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace MsResampler;

/// <summary>The places of a tensor's elements in memory.</summary>
internal static class TensorLayout
{
    /// <summary>Whether the elements follow each other in memory in row-major order. The stride of a dimension of one
    /// element has no meaning. A dense tensor with permuted dimensions is not row-major.</summary>
    public static bool IsRowMajor(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides)
    {
        nint next = 1;
        for (int dimension = lengths.Length - 1; dimension >= 0; dimension--)
        {
            if (lengths[dimension] == 0)
                return true;
            if (lengths[dimension] > 1 && strides[dimension] != next)
                return false;
            next *= lengths[dimension];
        }

        return true;
    }

    /// <summary>Whether several elements have the same place, as in a tensor that was broadcast. The strides of a
    /// tensor without elements have no meaning.</summary>
    public static bool Repeats(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides)
    {
        if (lengths.Contains(0))
            return false;
        for (int dimension = 0; dimension < lengths.Length; dimension++)
        {
            if (lengths[dimension] > 1 && strides[dimension] == 0)
                return true;
        }

        return false;
    }

    /// <summary>The values of a row-major tensor.</summary>
    public static ReadOnlySpan<float> Values(in ReadOnlyTensorSpan<float> tensor)
        => MemoryMarshal.CreateReadOnlySpan(in tensor.GetPinnableReference(), checked((int)tensor.FlattenedLength));

    /// <summary>The values of a row-major tensor.</summary>
    public static Span<float> Values(in TensorSpan<float> tensor)
        => MemoryMarshal.CreateSpan(ref tensor.GetPinnableReference(), checked((int)tensor.FlattenedLength));

    /// <summary>Extents or strides in a message, as in "[4, 5, 12]".</summary>
    public static string Describe(ReadOnlySpan<nint> extents) => $"[{string.Join(", ", extents.ToArray())}]";
}

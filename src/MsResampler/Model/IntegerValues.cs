using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Finds stored integers that are outside the range of their type, or whose product with the scale of the row
/// is not finite in float32.</summary>
internal static class IntegerValues
{
    // A multiple of both element sizes.
    private const int BlockBytes = 1 << 18;

    /// <summary>Reads the matrices once, on all processors. Returns one sentence per matrix with such
    /// integers.</summary>
    public static IReadOnlyList<string> FindProblems(ITensorSource source, IReadOnlyList<IntegerTensor> matrices,
        CancellationToken cancellationToken)
    {
        if (matrices.Count == 0)
            return [];
        (int Matrix, long FirstByte)[] blocks = [.. matrices.SelectMany((matrix, index)
            => Blocks(matrix.Tensor).Select(firstByte => (index, firstByte)))];
        ValueFinding?[] findings = new ValueFinding?[matrices.Count];
        ParallelReading.For<byte>(blocks.Length, BlockBytes, (block, buffer) =>
        {
            (int index, long firstByte) = blocks[block];
            IntegerTensor matrix = matrices[index];
            Span<byte> bytes = buffer.AsSpan(0, (int)Math.Min(BlockBytes, matrix.Tensor.ByteCount - firstByte));
            source.ReadBytes(matrix.Tensor, firstByte, bytes);
            ValueFinding? found = matrix.Type == IntegerType.Int8
                ? Find(matrix, MemoryMarshal.Cast<byte, sbyte>(bytes), firstByte)
                : Find(matrix, MemoryMarshal.Cast<byte, short>(bytes), firstByte / sizeof(short));
            if (found is { } value)
                lock (findings)
                    findings[index] = value.Merge(findings[index]);
        }, cancellationToken);
        return [.. matrices.Zip(findings).Where(pair => pair.Second is not null)
            .Select(pair => Describe(pair.First, pair.Second!.Value))];
    }

    private static IEnumerable<long> Blocks(TensorInfo tensor)
    {
        for (long first = 0; first < tensor.ByteCount; first += BlockBytes)
            yield return first;
    }

    private static ValueFinding? Find<T>(IntegerTensor matrix, ReadOnlySpan<T> integers, long firstElement)
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        ValueFinding? found = null;
        while (!integers.IsEmpty)
        {
            (long row, long column) = Math.DivRem(firstElement, matrix.Columns);
            ReadOnlySpan<T> part = integers[..(int)Math.Min(integers.Length, matrix.Columns - column)];
            float scale = matrix.Scales[row];
            if (!IsValid(matrix, int.CreateTruncating(TensorPrimitives.Min(part)), scale)
                || !IsValid(matrix, int.CreateTruncating(TensorPrimitives.Max(part)), scale))
            {
                for (int index = 0; index < part.Length; index++)
                {
                    int integer = int.CreateTruncating(part[index]);
                    if (!IsValid(matrix, integer, scale))
                        found = new ValueFinding(firstElement + index, integer, 1).Merge(found);
                }
            }

            firstElement += part.Length;
            integers = integers[part.Length..];
        }

        return found;
    }

    /// <summary>Whether an integer is valid. A scale that is not finite is reported as a value of its own
    /// tensor.</summary>
    private static bool IsValid(IntegerTensor matrix, int integer, float scale)
        => Math.Abs(integer) <= matrix.MaxLevel && (float.IsFinite(integer * scale) || !float.IsFinite(scale));

    private static string Describe(IntegerTensor matrix, ValueFinding found)
    {
        int level = matrix.MaxLevel;
        string place = found.DescribePlace(matrix.Tensor);
        if (Math.Abs(found.Value) <= level)
        {
            string scale = matrix.Scales[found.ElementIndex / matrix.Columns].ToString("R",
                CultureInfo.InvariantCulture);
            return $"tensor {Quote(matrix.Tensor.Name)}: expected products with the scales within the range of " +
                $"float32, found {found.Value} times {scale} at {place}";
        }

        string reason = matrix.Type == IntegerType.Int8 ? ""
            : $", so that sums of {matrix.Columns} products are below 2^31";
        return $"tensor {Quote(matrix.Tensor.Name)}: expected integers from -{level} to {level}{reason}, found " +
            $"{found.Value} at {place}";
    }
}

using System.Globalization;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Finds stored values that are not finite in float32: NaN, infinities, and values that round to infinity.
/// Values that round to zero or to a subnormal are valid.</summary>
internal static class WeightValues
{
    // Small enough to stay in the cache between reading and checking; a multiple of every element size.
    private const int BlockBytes = 1 << 18;

    /// <summary>Reads the tensors once, on all processors. Returns one sentence per tensor with such values, in the
    /// order of the tensors in the files.</summary>
    public static IReadOnlyList<string> FindProblems(ITensorSource source, IEnumerable<TensorInfo> tensors,
        CancellationToken cancellationToken)
    {
        TensorInfo[] checkedTensors = [.. tensors.Where(tensor => ElementConversion.IsSupported(tensor.Type))];
        Array.Sort(checkedTensors, Compare);
        // Loops in place of queries: a generic method is compiled for each combination of value types, and this code
        // runs when the first model is opened.
        List<Block> blocks = [];
        for (int index = 0; index < checkedTensors.Length; index++)
            for (long first = 0; first < checkedTensors[index].ByteCount; first += BlockBytes)
                blocks.Add(new Block(index, first));
        ValueFinding?[] findings = new ValueFinding?[checkedTensors.Length];
        ParallelReading.For<byte>(blocks.Count, BlockBytes, (block, buffer) =>
        {
            int index = blocks[block].Tensor;
            long firstByte = blocks[block].FirstByte;
            TensorInfo tensor = checkedTensors[index];
            Span<byte> bytes = buffer.AsSpan(0, (int)Math.Min(BlockBytes, tensor.ByteCount - firstByte));
            source.ReadBytes(tensor, firstByte, bytes);
            if (!ElementConversion.HasUnusable(tensor.Type, bytes))
                return;
            ValueFinding found = Find(tensor.Type, bytes, firstByte);
            lock (findings)
                findings[index] = found.Merge(findings[index]);
        }, cancellationToken);
        List<string> problems = [];
        for (int index = 0; index < findings.Length; index++)
            if (findings[index] is { } found)
                problems.Add(Describe(checkedTensors[index], found));
        return problems;
    }

    /// <summary>The order of tensors in the files.</summary>
    private static int Compare(TensorInfo left, TensorInfo right) => left.FileIndex != right.FileIndex
        ? left.FileIndex.CompareTo(right.FileIndex) : left.FirstByte.CompareTo(right.FirstByte);

    private static ValueFinding Find(TensorType type, ReadOnlySpan<byte> bytes, long firstByte)
    {
        int elementBytes = TensorTypes.BitsOf(type) / 8;
        ValueFinding found = new(long.MaxValue, 0, 0);
        double[] value = new double[1];
        for (int offset = 0; offset < bytes.Length; offset += elementBytes)
        {
            ReadOnlySpan<byte> element = bytes.Slice(offset, elementBytes);
            if (!ElementConversion.HasUnusable(type, element))
                continue;
            ElementConversion.ToDouble(type, element, value);
            found = new ValueFinding((firstByte + offset) / elementBytes, value[0], 1).Merge(found);
        }

        return found;
    }

    private static string Describe(TensorInfo tensor, ValueFinding found)
    {
        string value = double.IsNaN(found.Value) ? "NaN"
            : double.IsInfinity(found.Value) ? found.Value > 0 ? "infinity" : "-infinity"
            : $"{found.Value.ToString("R", CultureInfo.InvariantCulture)}, which float32 cannot hold,";
        return $"tensor {Quote(tensor.Name)}: expected finite numbers within the range of float32, found {value} at " +
            found.DescribePlace(tensor);
    }

    /// <summary>A part of a tensor that one thread checks.</summary>
    private sealed record Block(int Tensor, long FirstByte);
}

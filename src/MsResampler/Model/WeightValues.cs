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
        TensorInfo[] checkedTensors = [.. tensors.Where(tensor => ElementConversion.IsSupported(tensor.Type))
            .OrderBy(tensor => tensor.FileIndex).ThenBy(tensor => tensor.FirstByte)];
        (int Tensor, long FirstByte)[] blocks = [.. checkedTensors.SelectMany((tensor, index) => Blocks(tensor)
            .Select(firstByte => (index, firstByte)))];
        ValueFinding?[] findings = new ValueFinding?[checkedTensors.Length];
        ParallelReading.For<byte>(blocks.Length, BlockBytes, (block, buffer) =>
        {
            (int index, long firstByte) = blocks[block];
            TensorInfo tensor = checkedTensors[index];
            Span<byte> bytes = buffer.AsSpan(0, (int)Math.Min(BlockBytes, tensor.ByteCount - firstByte));
            source.ReadBytes(tensor, firstByte, bytes);
            if (!ElementConversion.HasUnusable(tensor.Type, bytes))
                return;
            ValueFinding found = Find(tensor.Type, bytes, firstByte);
            lock (findings)
                findings[index] = found.Merge(findings[index]);
        }, cancellationToken);
        return [.. checkedTensors.Zip(findings).Where(pair => pair.Second is not null)
            .Select(pair => Describe(pair.First, pair.Second!.Value))];
    }

    private static IEnumerable<long> Blocks(TensorInfo tensor)
    {
        for (long first = 0; first < tensor.ByteCount; first += BlockBytes)
            yield return first;
    }

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
}

using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>The first invalid value of a tensor, and the number of invalid values.</summary>
internal readonly record struct ValueFinding(long ElementIndex, double Value, long Count)
{
    /// <summary>The finding for two parts of a tensor together.</summary>
    public ValueFinding Merge(ValueFinding? other) => other is not { } found ? this
        : (found.ElementIndex < ElementIndex ? found : this) with { Count = Count + found.Count };

    /// <summary>The place of the first invalid value and how many follow, for a message.</summary>
    public string DescribePlace(TensorInfo tensor)
    {
        long[] place = new long[tensor.Shape.Count];
        long rest = ElementIndex;
        for (int axis = place.Length - 1; axis >= 0; axis--)
            (rest, place[axis]) = Math.DivRem(rest, tensor.Shape[axis]);
        return $"{TensorSize.Describe(place)} (element {ElementIndex})" +
            (Count == 1 ? "" : $" and {Count - 1} more of {tensor.ElementCount}");
    }
}

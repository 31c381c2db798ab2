using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>A tensor of a random model. Values are computed on demand, so that a model need not fit in
/// memory.</summary>
/// <param name="Name">The name in the checkpoint.</param>
/// <param name="Shape">The extents, outermost first.</param>
/// <param name="ValueAt">Returns the value of an element by its row-major index.</param>
internal sealed record RandomTensor(string Name, IReadOnlyList<long> Shape, Func<long, float> ValueAt)
{
    public long ElementCount => Shape.Aggregate(1L, (left, right) => left * right);

    public TensorToWrite ToWrite(TensorType type) => new(Name, type, Shape, Fill);

    public float[] ToArray()
    {
        float[] values = new float[ElementCount];
        Fill(0, values);
        return values;
    }

    private void Fill(long first, Span<float> destination)
    {
        for (int index = 0; index < destination.Length; index++)
            destination[index] = ValueAt(first + index);
    }
}

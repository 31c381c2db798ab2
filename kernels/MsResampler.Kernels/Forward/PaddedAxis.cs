namespace MsResampler.Kernels.Forward;

/// <summary>An axis made of equal segments (heads, or the scopes' branches), each rounded up to whole groups of 16 bytes
/// on the device, so that every segment begins where 16 bytes can be loaded at once. What is added is 0
/// everywhere.</summary>
/// <param name="SegmentSize">Elements of a segment.</param>
/// <param name="SegmentCount">Segments.</param>
/// <param name="GroupSize">Elements of a group: 4 of 32 bits or 8 of 16 bits.</param>
internal readonly record struct PaddedAxis(int SegmentSize, int SegmentCount = 1, int GroupSize = 4)
{
    /// <summary>Elements in the model.</summary>
    public int Size => SegmentSize * SegmentCount;

    /// <summary>Groups of a segment on the device.</summary>
    public int SegmentVectors => (SegmentSize + GroupSize - 1) / GroupSize;

    /// <summary>Groups of the axis on the device.</summary>
    public int Vectors => checked(SegmentVectors * SegmentCount);

    /// <summary>Elements of the axis on the device, padding included.</summary>
    public int PaddedSize => checked(Vectors * GroupSize);

    /// <summary>Copies rows into the device's layout.</summary>
    /// <param name="source">[rows, columns] as in the model.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="factor">Multiplies each element.</param>
    public static float[] Pad(ReadOnlySpan<float> source, PaddedAxis rows, PaddedAxis columns, float factor = 1)
    {
        float[] result = new float[checked((long)rows.PaddedSize * columns.PaddedSize)];
        for (int row = 0; row < rows.Size; row++)
        {
            int target = rows.PlaceOf(row) * columns.PaddedSize;
            for (int segment = 0; segment < columns.SegmentCount; segment++)
            {
                System.Numerics.Tensors.TensorPrimitives.Multiply(
                    source.Slice((row * columns.Size) + (segment * columns.SegmentSize), columns.SegmentSize), factor,
                    result.AsSpan(target + (segment * columns.SegmentVectors * columns.GroupSize), columns.SegmentSize));
            }
        }

        return result;
    }

    /// <summary>Copies one row into the device's layout.</summary>
    public float[] Pad(ReadOnlySpan<float> row, float factor = 1)
    {
        float[] result = new float[PaddedSize];
        for (int index = 0; index < row.Length; index++)
            result[PlaceOf(index)] = row[index] * factor;
        return result;
    }

    /// <summary>Numbers in single precision.</summary>
    public static float[] Round(double[] values) => Array.ConvertAll(values, value => (float)value);

    private int PlaceOf(int index) => (index / SegmentSize * SegmentVectors * GroupSize) + (index % SegmentSize);
}

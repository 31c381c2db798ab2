using MsResampler.Kernels.Norm;

namespace MsResampler.Kernels.Forward;

/// <summary>Layer normalisation of rows. All sizes count elements.</summary>
internal sealed record Normalisation
{
    /// <summary>Operations per element: sum, difference, square, sum, scale, weight, bias.</summary>
    public const double FlopsPerElement = 8;

    public required DeviceNorm Norm { get; init; }

    /// <summary>ε.</summary>
    public required double Epsilon { get; init; }

    /// <summary>[rows, width], padded.</summary>
    public required DeviceView Source { get; init; }

    /// <summary>The factor that each row of the source was multiplied by, float32; empty if none was.</summary>
    public DeviceView Units { get; init; }

    /// <summary>Receives the normalised rows; null if they are not wanted.</summary>
    public DeviceView? Plain { get; init; }

    /// <summary>Positions that are added to rows; null if there are none.</summary>
    public RowTable? Positions { get; init; }

    /// <summary>Receives the normalised rows plus their positions, if there are positions.</summary>
    public DeviceView Positioned { get; init; }

    public required int RowCount { get; init; }

    public required PaddedAxis Width { get; init; }

    /// <summary>The size of an element of the rows in bytes.</summary>
    public int ElementBytes { get; init; } = sizeof(float);

    private NormShape Shape => new()
    {
        RowCount = RowCount,
        Width = Width.Size,
        SourceStride = DeviceVector.Count(Width.PaddedSize, ElementBytes),
        Stride = DeviceVector.Count(Width.PaddedSize, ElementBytes),
        RootEpsilon = (float)Math.Sqrt(Epsilon),
    };

    /// <summary>Adds the arguments of <see cref="LayerNormWarp{TOutput}"/>.</summary>
    public void AddFloat32Arguments(ref KernelArguments arguments)
    {
        arguments.Add(Source, Norm.Weight, Norm.Bias, Plain ?? default, Positions?.Rows ?? default,
            Positions?.Starts ?? default, Positioned);
        arguments.Add(Shape);
    }

    /// <summary>Adds the arguments of <see cref="LayerNormBits16{TElement}"/>.</summary>
    public void AddBits16Arguments(ref KernelArguments arguments)
    {
        arguments.Add(Source, Norm.Weight, Norm.Bias, Plain ?? default, Units);
        arguments.Add(Shape);
    }

    /// <summary>Counts the work.</summary>
    public StepWork Work()
    {
        double elements = (double)RowCount * Width.PaddedSize;
        int copies = (Plain is null ? 0 : 1) + (Positions is null ? 0 : 1);
        return new StepWork(FlopsPerElement * elements,
            (2.0 * Width.PaddedSize * sizeof(float)) + (Positions?.Bytes ?? 0), elements * ElementBytes,
            elements * ElementBytes * copies);
    }
}

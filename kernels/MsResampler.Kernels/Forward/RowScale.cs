namespace MsResampler.Kernels.Forward;

/// <summary>Sums of squares of rows, from which the rows are scaled to a mean square of 1.</summary>
/// <param name="Squares">The sums of 32 columns each, float32, [sums, rows].</param>
/// <param name="Units">The factor that each row was multiplied by, float32.</param>
/// <param name="Stride">Elements from one sum of a row to the next.</param>
/// <param name="Count">Sums of a row; 0 if rows are not scaled.</param>
/// <param name="Width">Elements of a row.</param>
/// <param name="RootEpsilon">√ε, whose square is added to the mean square of a row that was multiplied by 1.</param>
/// <param name="IsStored">Whether a product stores the sums; otherwise it reads them.</param>
internal readonly record struct RowScale(DeviceView Squares, DeviceView Units, int Stride, int Count, int Width,
    float RootEpsilon, bool IsStored = false);

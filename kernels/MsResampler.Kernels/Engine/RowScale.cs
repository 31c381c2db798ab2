namespace MsResampler.Kernels.Engine;

/// <summary>Sums of squares of rows, from which the rows are scaled to a mean square of 1.</summary>
/// <param name="Squares">The sums of 32 columns each, float32, [sums][rows].</param>
/// <param name="Stride">Elements from one sum of a row to the next.</param>
/// <param name="Count">Sums of a row; 0 where rows are not scaled.</param>
/// <param name="Width">Elements of a row.</param>
/// <param name="Epsilon">Added to the mean square.</param>
internal readonly record struct RowScale(DeviceView Squares, int Stride, int Count, int Width, float Epsilon);

using System.Runtime.InteropServices;

namespace MsResampler.Cpu.Integer;

/// <summary>How the integers of a row of activations become values.</summary>
/// <param name="Scale">A value is (integer − <paramref name="Zero"/>) times the scale. 0 for a row of zeros; NaN for a
/// row that contains a NaN or an infinity.</param>
/// <param name="Zero">The integer of the value 0.</param>
/// <param name="ResidualScale">The scale of the residual row, which is to be added; 0 if there is none.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct RowScale(float Scale, int Zero, float ResidualScale);

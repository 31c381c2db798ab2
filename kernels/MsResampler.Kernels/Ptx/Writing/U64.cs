using System.Globalization;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>An unsigned integer of 64 bits in a kernel that is being written: a register of each thread, with an
/// address or a descriptor. An operator emits an instruction.</summary>
/// <param name="Writer">The writer of the register.</param>
/// <param name="Index">The index of the register.</param>
internal readonly record struct U64(PtxWriter Writer, int Index)
{
    public static U64 operator +(U64 left, U64 right) => left.Writer.Add(left, right);

    public static U64 operator +(U64 left, long right) => right == 0 ? left : left.Writer.Add(left, right);

    /// <summary>The operand in the text.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"%rd{Index}");
}

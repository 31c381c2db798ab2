using System.Globalization;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A truth value of each thread in a kernel that is being written. An operator emits an instruction, except
/// for a negation, which becomes part of the instruction that uses it.</summary>
/// <param name="Writer">The writer of the register.</param>
/// <param name="Index">The index of the register.</param>
/// <param name="IsNegated">Whether the value is the opposite of the register's.</param>
internal readonly record struct Predicate(PtxWriter Writer, int Index, bool IsNegated = false)
{
    public static Predicate operator !(Predicate value) => value with { IsNegated = !value.IsNegated };

    public static Predicate operator &(Predicate left, Predicate right) => left.Writer.And(left, right);

    public static Predicate operator |(Predicate left, Predicate right) => left.Writer.Or(left, right);

    /// <summary>The register in the text, without negation.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"%p{Index}");
}

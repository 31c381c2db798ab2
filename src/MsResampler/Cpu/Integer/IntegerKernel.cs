using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>The register tile of integer products for one instruction set. The sums are exact, so every kernel gives
/// the same bits.</summary>
/// <remarks>A kernel multiplies 8-bit weights in one of two ways. With <see cref="HasByteActivations"/>, activations
/// are unsigned bytes, and a step of a column is 4 bytes of weights. Otherwise activations are 16-bit integers from
/// which the zero point was subtracted, and a step is 2 bytes, which the kernel widens: pairs of 16-bit products are
/// added in 32 bits and cannot saturate. With 16-bit weights, activations are 16-bit integers and a step is 2 of
/// each.</remarks>
internal abstract unsafe class IntegerKernel
{
    /// <summary>All kernels, the fastest first.</summary>
    public static IReadOnlyList<IntegerKernel> All { get; } =
    [
        new Vnni512Kernel(), new Avx512BwKernel(), new AvxVnniKernel(), new Avx2Kernel(), new Vector128Kernel(),
        new ScalarKernel(),
    ];

    /// <summary>The fastest supported kernel that uses no wider instruction set than a <see
    /// cref="CpuVariant"/>.</summary>
    public static IntegerKernel Choose(string variant)
    {
        if (!IsPossible)
        {
            throw new NotSupportedException($"Precision {Precision.Int8}: it needs a processor with fused " +
                $"multiply-add; use Precision.{Precision.Float32}");
        }

        int widest = IndexOf(variant);
        return All.First(kernel => kernel.IsSupported && IndexOf(kernel.Variant) >= widest);

        static int IndexOf(string name) => CpuVariant.All.TakeWhile(known => known.Name != name).Count();
    }

    /// <summary>Whether this machine has fused multiply-add, without which the floats between integer products would
    /// not have the same bits on every instruction set.</summary>
    public static bool IsPossible => Fma.IsSupported || AdvSimd.IsSupported;

    /// <summary>Why a faster kernel is not used although the processor has its instructions; null if there is no
    /// such kernel.</summary>
    public string? WhyNotFaster => All.TakeWhile(kernel => kernel != this)
        .Where(kernel => kernel.WhyNot is not null)
        .Select(kernel => $"int8 products use {Name} instead of {kernel.Name}: {kernel.WhyNot}").FirstOrDefault();

    /// <summary>The name, as in <c>avx512-vnni</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The name of the <see cref="CpuVariant"/> that computes the other operations.</summary>
    public abstract string Variant { get; }

    /// <summary>Whether this machine supports the kernel.</summary>
    public abstract bool IsSupported { get; }

    /// <summary>Why <see cref="IsSupported"/> is false although the processor has the instructions; null if it has
    /// not.</summary>
    public virtual string? WhyNot => null;

    /// <summary>Columns of a panel: a multiple of 16, the floats of the widest vector.</summary>
    public abstract int PanelWidth { get; }

    /// <summary>Whether activations are unsigned bytes where weights have 8 bits.</summary>
    public abstract bool HasByteActivations { get; }

    /// <summary>Products per step of weights of a type: 4 or 2.</summary>
    public int StepLength(IntegerType type) => type == IntegerType.Int8 && HasByteActivations ? 4 : 2;

    /// <summary>Bytes of a step of one column of weights.</summary>
    public int StepBytes(IntegerType type) => type == IntegerType.Int8 && !HasByteActivations ? 2 : 4;

    /// <summary>Computes a tile with 8-bit weights.</summary>
    public abstract void MultiplyInt8(IntegerTile* tile);

    /// <summary>Computes a tile with 16-bit weights.</summary>
    public abstract void MultiplyInt16(IntegerTile* tile);

    /// <summary>Computes a tile of few terms, at most about a thousand, whose panel may be narrower than <see
    /// cref="PanelWidth"/>.</summary>
    /// <param name="tile">The tile; its panel and sums have <paramref name="width"/> columns.</param>
    /// <param name="type">The type of the weights.</param>
    /// <param name="width">Columns of the panel: a multiple of 16 up to <see cref="PanelWidth"/>.</param>
    public virtual void Multiply(IntegerTile* tile, IntegerType type, int width)
    {
        if (type == IntegerType.Int8)
            MultiplyInt8(tile);
        else
            MultiplyInt16(tile);
    }
}

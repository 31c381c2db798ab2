using System.Globalization;

namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Products by warpgroups: four neighbouring warps, the first of which has a number that is a multiple of 4.
/// All their threads execute these instructions together.</content>
internal sealed partial class PtxWriter
{
    /// <summary>Makes what this thread wrote to shared memory visible to products by warpgroups; a barrier then makes
    /// it visible to those of other threads. PTX ISA, Parallel Synchronization and Communication Instructions:
    /// fence.</summary>
    public void FenceProducts() => Emit(s_hopperAndNewer, $"fence.proxy.async.shared::cta");

    /// <summary>Orders earlier accesses to registers of accumulators before the products that follow. PTX ISA,
    /// Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions: wgmma.fence.</summary>
    public void FenceSums() => Emit(PtxTarget.Hopper, $"wgmma.fence.sync.aligned");

    /// <summary>Starts to add the product of 64 × 16 elements of A and 16 × n of B to sums in float32, or to replace
    /// them by it. PTX ISA, Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions:
    /// wgmma.mma_async.</summary>
    /// <param name="type">The type of A and B.</param>
    /// <param name="sums">n/2 registers; n is a multiple of 8, at most 256.</param>
    /// <param name="a">The descriptor of A in shared memory, rows of neighbours along k.</param>
    /// <param name="b">The descriptor of B, likewise.</param>
    /// <param name="adds">Whether the product is added; always if null.</param>
    public void MultiplyMatrices(MatrixType type, ReadOnlySpan<F32> sums, U64 a, U64 b, Predicate? adds)
    {
        int columns = 2 * sums.Length;
        if (columns is 0 or > 256 || columns % 8 != 0)
        {
            throw new ArgumentException($"{Name}: wgmma.mma_async has sums of a multiple of 8 columns up to 256; " +
                $"expected half as many registers, found {sums.Length}.", nameof(sums));
        }

        string name = NameOf(type);
        string opcode = string.Create(CultureInfo.InvariantCulture,
            $"wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{name}.{name}");
        if (adds is { } condition)
            Emit(PtxTarget.Hopper, $"{opcode} {sums}, {a}, {b}, {Plain(condition)}, 1, 1, 0, 0");
        else
            Emit(PtxTarget.Hopper, $"{opcode} {sums}, {a}, {b}, 1, 1, 1, 0, 0");
    }

    /// <summary>Closes the group of the products that were started since the last call. PTX ISA, Asynchronous Warpgroup
    /// Level Matrix Multiply-Accumulate Instructions: wgmma.commit_group.</summary>
    public void CommitProducts() => Emit(PtxTarget.Hopper, $"wgmma.commit_group.sync.aligned");

    /// <summary>Waits until all but the last groups of products are complete: their sums can be used, and what they
    /// read from shared memory overwritten. PTX ISA, Asynchronous Warpgroup Level Matrix Multiply-Accumulate
    /// Instructions: wgmma.wait_group.</summary>
    public void WaitForProducts(int remainingGroups)
        => Emit(PtxTarget.Hopper, $"wgmma.wait_group.sync.aligned {remainingGroups}");
}

using MsResampler.Kernels.Ptx.Writing;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>C = epilogue(A·Wᵀ·scale + bias + table) by warpgroups, in 16 bits with sums in float32: any number of
/// products of one size in one launch, like <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/>; on sm_90
/// only.</summary>
/// <remarks>
/// <para>A block computes tiles of C one after the other: the launch has no more blocks than the device runs at once.
/// Slices of A and W, 64 elements wide, are copied asynchronously to a ring of stages (<see cref="SliceCopies"/>). The
/// products of a slice run on the tensor cores while the next slice is waited for, with one barrier per slice; the last
/// slices of a tile are multiplied while the first ones of the next tile are copied.</para>
/// <para>An element is the sum of the products of 16 elements of its row and column at a time, in ascending order, each
/// added by one instruction, whatever the shape and position of the tile. The same row therefore has the same bits in
/// any batch. For the same reason the sum is never split between blocks. The other kernel may round differently: a
/// model uses one of them for all its batches.</para>
/// <para>Scales, table, squares and the overflow note are as in the other kernel. C is row-major.</para>
/// <para>Grid: x = blocks, at most as many as there are tiles (<see cref="GemmTiles"/>). Block: <see cref="BlockSize"/>
/// threads. Dynamic shared memory: <see cref="SharedBytes"/>.</para>
/// </remarks>
/// <typeparam name="TTile">The shape of the tile.</typeparam>
/// <typeparam name="TElement">The type of A and W.</typeparam>
/// <typeparam name="TEpilogue">The final operation on each element; not GELU.</typeparam>
/// <typeparam name="TOutput">The type of C.</typeparam>
internal readonly struct GemmWgmma<TTile, TElement, TEpilogue, TOutput> : IWrittenKernel
    where TTile : struct, IGemmWgmmaTile
    where TElement : struct, IBits16Element
    where TEpilogue : struct, IGemmMmaEpilogue
    where TOutput : struct, IGemmMmaOutput
{
    private const int WarpgroupRows = 64;
    private const int WarpgroupThreads = 128;

    /// <summary>Slices that are copied ahead. Those of the two slices before are still multiplied.</summary>
    public static int CopiesAhead => TTile.StageCount - 2;

    /// <summary>Threads of a block.</summary>
    public static int BlockSize => WarpgroupThreads * TTile.WarpgroupCount;

    /// <summary>Rows of C in a tile.</summary>
    public static int TileRows => WarpgroupRows * TTile.WarpgroupCount;

    /// <summary>The dynamic shared memory of a block in bytes.</summary>
    public static int SharedBytes => RingBytes + (TEpilogue.IsScaled ? TileRows * sizeof(float) : 0);

    private static int RingBytes => TTile.StageCount * (TileRows + TTile.Columns) * SliceTile.RowBytes;

    private static MatrixType Type
        => typeof(TElement) == typeof(MmaFloat16) ? MatrixType.Float16 : MatrixType.BFloat16;

    /// <inheritdoc/>
    public static void Write(PtxWriter writer)
    {
        GemmOperands operands = new(writer);
        GemmTiles tiles = new(writer, operands, TileRows, TTile.Columns);
        U32 shared = writer.DynamicShared(SliceTile.Alignment);
        SliceCopies copies = new(writer, operands, tiles, shared,
            (BlockSize, TileRows, TTile.Columns, TTile.StageCount));
        GemmFinish<TEpilogue, TOutput> finish = new(writer, operands, TileRows, shared + RingBytes);
        WarpgroupSums sums = new(writer, Type, TTile.Columns);
        U32 warpgroup = writer.OfFirstLane(writer.Thread / WarpgroupThreads);
        U64 aDescriptor = DescriptorOf(writer, shared + (warpgroup * (WarpgroupRows * SliceTile.RowBytes)));
        U64 wDescriptor = DescriptorOf(writer, shared + (TileRows * SliceTile.RowBytes));

        writer.StartDependents();
        writer.WaitForDependencies();
        for (int slice = 0; slice < CopiesAhead; slice++)
            copies.StartNext();

        U32 tile = writer.Variable(writer.Block);
        U32 stage = writer.Variable(0);
        writer.Repeat(() =>
        {
            U32 slice = writer.Variable(0);
            writer.Repeat(() =>
            {
                writer.WaitForCopies(CopiesAhead - 1);
                writer.FenceProducts();
                // After the barrier the slice before the last one, which the next copies overwrite, is no longer read.
                writer.Barrier();
                U64 offset = writer.Widen(stage / SliceTile.ChunkBytes);
                sums.AddProduct(aDescriptor + offset, wDescriptor + offset, slice.IsNot(0));
                copies.StartNext();
                copies.Advance(stage);
                sums.Wait(1);
                writer.Set(slice, slice + 1);
                return slice < copies.SliceCount;
            });
            (U32 product, U32 firstRow, U32 firstColumn) = tiles.At(tile);
            finish.StoreTile(sums, product, firstRow, firstColumn);
            writer.Set(tile, tile + writer.BlockCount);
            return tile < tiles.Count;
        });

        // No thread may end before its copies, although none is left.
        writer.WaitForCopies(0);
    }

    private static U64 DescriptorOf(PtxWriter writer, U32 address)
        => writer.Widen(address / SliceTile.ChunkBytes) + SliceTile.Descriptor;
}

using MsResampler.Kernels.Gemm.Warpgroup;
using MsResampler.Kernels.Ptx.Writing;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Perf.Ceilings;

/// <summary>Matrix products by warpgroups of one tile in shared memory. Their speed is the limit of the device's tensor
/// cores with wgmma. Needs sm_90a.</summary>
/// <remarks>A block multiplies <see cref="Rows"/> rows of A by <see cref="Columns"/> rows of B, <see
/// cref="Depth"/> elements of each, again and again, with the largest instruction, the products of the
/// product kernels and the same wait after each slice. Nothing is copied meanwhile. The operands change from one
/// instruction to the next, as they do in a real product; power, and therefore the clock, depends on that. Grid: x =
/// blocks. Block: <see cref="BlockSize"/> threads. Dynamic shared memory: <see cref="SharedBytes"/>.</remarks>
/// <typeparam name="TElement">The type of the operands.</typeparam>
internal readonly struct WgmmaCeiling<TElement> : IWrittenKernel
    where TElement : struct, IBits16Element
{
    /// <summary>Rows of A, 64 for each warpgroup.</summary>
    public const int Rows = 128;

    /// <summary>Rows of B.</summary>
    public const int Columns = 256;

    /// <summary>Elements of a row.</summary>
    public const int Depth = SliceTile.RowBytes / sizeof(ushort);

    /// <summary>Threads of a block.</summary>
    public const int BlockSize = Rows / WarpgroupRows * WarpgroupThreads;

    /// <summary>The dynamic shared memory of a block in bytes, and the size of the operands.</summary>
    public const int SharedBytes = (Rows + Columns) * SliceTile.RowBytes;

    /// <summary>Products of the tile in a step: enough that the loop hardly takes issue slots.</summary>
    public const int RepeatCount = 2;

    /// <summary>Multiplications and additions of a block in one step.</summary>
    public const long FlopsPerStep = 2L * RepeatCount * Rows * Columns * Depth;

    private const int WarpgroupRows = 64;
    private const int WarpgroupThreads = 128;

    private static MatrixType Type
        => typeof(TElement) == typeof(MmaFloat16) ? MatrixType.Float16 : MatrixType.BFloat16;

    /// <summary>Writes the kernel. Its parameters are the rows of A and then of B, in vectors of 16 bytes; the sum of
    /// the accumulators of each thread, which it stores; and the steps.</summary>
    public static void Write(PtxWriter writer)
    {
        PtxView operands = writer.View("operands", SliceTile.ChunkBytes);
        PtxView results = writer.View("sums", sizeof(float));
        U32 stepCount = writer.Integer("step_count");
        U32 shared = writer.DynamicShared(SliceTile.Alignment);
        WarpgroupSums sums = new(writer, Type, Columns);
        U32 warpgroup = writer.OfFirstLane(writer.Thread / WarpgroupThreads);
        U64 a = DescriptorOf(writer, shared + (warpgroup * (WarpgroupRows * SliceTile.RowBytes)));
        U64 b = DescriptorOf(writer, shared + (Rows * SliceTile.RowBytes));

        writer.StartDependents();
        writer.WaitForDependencies();
        Copy(writer, operands, shared);
        U32 step = writer.Variable(0);
        writer.Repeat(() =>
        {
            for (int repeat = 0; repeat < RepeatCount; repeat++)
                sums.AddProduct(a, b, step < stepCount);
            sums.Wait(1);
            writer.Set(step, step + 1);
            return step < stepCount;
        });
        sums.Wait(0);

        F32 sum = writer.FloatVariable(0);
        for (int pair = 0; pair < sums.PairCount; pair++)
        {
            foreach (F32 value in (F32[])[.. sums.Upper(pair), .. sums.Lower(pair)])
                writer.Set(sum, sum + value);
        }

        writer.StoreGlobal(writer.WideMultiplyAdd((writer.Block * BlockSize) + writer.Thread, sizeof(float),
            results.Address), sum);
    }

    /// <summary>Copies the operands to shared memory, where products can read them.</summary>
    private static void Copy(PtxWriter writer, PtxView operands, U32 shared)
    {
        U32 chunk = writer.Thread % SliceTile.RowChunks;
        U32 row = writer.Thread / SliceTile.RowChunks;
        U32 place = shared + (row * SliceTile.RowBytes)
            + ((chunk ^ (row % SliceTile.RowChunks)) * SliceTile.ChunkBytes);
        U64 source = writer.WideMultiplyAdd(writer.Thread, SliceTile.ChunkBytes, operands.Address);
        const int BytesAtOnce = BlockSize * SliceTile.ChunkBytes;
        for (int offset = 0; offset < SharedBytes; offset += BytesAtOnce)
            writer.StartCopy(place, offset, source + offset, SliceTile.ChunkBytes);
        writer.CommitCopies();
        writer.WaitForCopies(0);
        writer.FenceProducts();
        writer.Barrier();
    }

    private static U64 DescriptorOf(PtxWriter writer, U32 address)
        => writer.Widen(address / SliceTile.ChunkBytes) + SliceTile.Descriptor;
}

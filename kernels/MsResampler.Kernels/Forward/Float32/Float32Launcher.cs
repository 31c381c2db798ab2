using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>Starts the kernels of models in float32 on one stream. Sizes and strides count groups of four floats unless
/// they count rows.</summary>
/// <param name="kernels">The device's kernels.</param>
/// <param name="stream">The stream.</param>
/// <param name="usesTensorCores">Whether products are made in tf32.</param>
internal readonly struct Float32Launcher(KernelLibrary kernels, IDeviceStream stream, bool usesTensorCores = false)
{
    public IDeviceStream Stream => stream;

    /// <summary>Matrix products C = A·Wᵀ + bias.</summary>
    public void Multiply(in Product product)
    {
        if (usesTensorCores)
            MultiplyTensors(product);
        else
            MultiplyExactly(product);
    }

    private void MultiplyTensors(in Product product)
    {
        int columnCount = 4 * product.ColumnVectors;
        GemmMmaShape shape = GemmMmaShape.For(product.RowCount, columnCount, product.Count, kernels.Properties);
        IDeviceKernel kernel = kernels.Get(Float32Kernels.TensorGemm(shape, product.HasGelu));
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        product.AddTo(ref arguments, default, default);
        stream.Launch(kernel, shape.LaunchFor(product.RowCount, columnCount, product.Count), arguments.Bytes);
    }

    private void MultiplyExactly(in Product product)
    {
        bool isLarge = !product.HasGelu && BlockCount<GemmTile128>(product) >= kernels.Properties.MultiprocessorCount;
        IDeviceKernel kernel = kernels.Get(isLarge ? Float32Kernels.Gemm128
            : product.HasGelu ? Float32Kernels.GemmGelu64 : Float32Kernels.Gemm64);
        long blocks = isLarge ? BlockCount<GemmTile128>(product) : BlockCount<GemmTile64>(product);
        int threads = isLarge ? GemmTiled<GemmTile128, LinearEpilogue>.GroupSize
            : GemmTiled<GemmTile64, LinearEpilogue>.GroupSize;
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(product.A, product.Weight, product.Bias, product.C, product.Note);
        arguments.Add(product.RowCount, product.ColumnVectors, product.InnerVectors, product.AStride,
            product.WStride, product.CRowStride, product.CColumnStride, product.ABatchStride,
            product.WBatchStride, product.ColumnVectors, product.CBatchStride, product.FirstNoted);
        arguments.Add(product.Limit);
        stream.Launch(kernel, new LaunchSize(checked((int)(blocks / product.Count)), product.Count, threads),
            arguments.Bytes);
    }

    /// <summary>Layer normalisation of rows.</summary>
    /// <param name="norm">Weight and bias.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="source">The rows.</param>
    /// <param name="sourceStride">From one row of the source to the next.</param>
    /// <param name="plain">Receives normalised rows, or null.</param>
    /// <param name="positions">Positions to add, or null.</param>
    /// <param name="positioned">Receives rows with positions, if there are positions.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    public void Normalise(DeviceNorm norm, double epsilon, DeviceView source, int sourceStride,
        DeviceView? plain, RowPositions? positions, DeviceView positioned, int rowCount, PaddedAxis width)
    {
        IDeviceKernel kernel = kernels.Get(positions is null ? Float32Kernels.PlainNorm
            : plain is null ? Float32Kernels.PositionedNorm : Float32Kernels.BothNorm);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(source, norm.Weight, norm.Bias, plain ?? default, positions?.Table ?? default,
            positions?.Starts ?? default, positioned);
        arguments.Add(rowCount, width.Size, sourceStride, width.Vectors);
        arguments.Add((float)Math.Sqrt(epsilon));
        stream.Launch(kernel, kernels.WarpsFor(rowCount), arguments.Bytes);
    }

    /// <summary>Attention of a schedule.</summary>
    /// <param name="layout">The model's layout.</param>
    /// <param name="blocks">The schedule.</param>
    /// <param name="blockCount">Its blocks.</param>
    /// <param name="queries">Projected queries.</param>
    /// <param name="keys">Keys by groups of four channels.</param>
    /// <param name="values">Values by patch.</param>
    /// <param name="bias">Bias tables.</param>
    /// <param name="output">Receives weighted sums.</param>
    /// <param name="patchCount">Patches of all images.</param>
    public void Attend(ModelLayout layout, DeviceView blocks, int blockCount, DeviceView queries, DeviceView keys,
        DeviceView values, DeviceView bias, DeviceView output, int patchCount)
    {
        int headVectors = layout.Heads.SegmentVectors;
        KernelVariant variant = Float32Kernels.AttentionFor(headVectors, out int sliceVectors);
        int slices = (headVectors + sliceVectors - 1) / sliceVectors;
        IDeviceKernel kernel = kernels.Get(variant);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(blocks, queries, keys, values, bias, output);
        arguments.Add(layout.ScopeCount, layout.KeyScopeCount, layout.Heads.SegmentCount, headVectors, patchCount,
            layout.Config.QueryGrid.Columns);
        stream.Launch(kernel, new LaunchSize(blockCount, layout.Heads.SegmentCount * slices, variant.GroupSize),
            arguments.Bytes);
    }

    /// <summary>The gate's second layer, the fused branches and the final layer normalisation.</summary>
    public void Fuse(Float32Weights model, DeviceView hidden, DeviceView branches, DeviceView gates, DeviceView fused,
        int tokenCount)
    {
        ModelLayout layout = model.Layout;
        IDeviceKernel kernel = kernels.Get(Float32Kernels.FusionGate);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(hidden, model.GateOutput!.Weight, model.GateOutput.Bias, branches, model.PostNorm.Weight,
            model.PostNorm.Bias, gates, fused);
        arguments.Add(tokenCount, layout.GateHidden.Vectors, layout.ScopeCount, layout.Config.GateGroupCount,
            layout.Width.Size, layout.Width.Vectors);
        arguments.Add((float)Math.Sqrt(layout.Config.LayerNormEpsilon));
        stream.Launch(kernel, kernels.WarpsFor(tokenCount), arguments.Bytes);
    }

    /// <summary>One scope's attention weights in full.</summary>
    public void Map(ModelLayout layout, int scope, PatchGrid grid, DeviceView queries, int queryStart, DeviceView keys,
        DeviceView bias, BiasTable table, DeviceView maps)
    {
        IDeviceKernel kernel = kernels.Get(Float32Kernels.AttentionMap);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(queries, keys, bias, maps);
        arguments.Add(queryStart + (scope * layout.QueryCount * layout.Heads.Vectors), layout.Config.QueryGrid.Columns,
            layout.Heads.SegmentVectors, layout.Config.ShareKeyValues ? 0 : scope, grid.Rows, grid.Columns, table.Rows,
            table.Columns, table.HeadStride);
        stream.Launch(kernel, new LaunchSize(layout.QueryCount, layout.Heads.SegmentCount, 32),
            arguments.Bytes);
    }

    private static long BlockCount<TTile>(in Product product)
        where TTile : struct, IGemmTile
    {
        long rows = (product.RowCount + GemmTiled<TTile, LinearEpilogue>.TileRows - 1L)
            / GemmTiled<TTile, LinearEpilogue>.TileRows;
        long columns = (product.ColumnVectors + GemmTiled<TTile, LinearEpilogue>.TileVectors - 1L)
            / GemmTiled<TTile, LinearEpilogue>.TileVectors;
        return rows * columns * product.Count;
    }
}

/// <summary>Where the positions of rows are.</summary>
/// <param name="Table">Positions.</param>
/// <param name="Starts">For each row the first group of four of its position.</param>
internal readonly record struct RowPositions(DeviceView Table, DeviceView Starts);

/// <summary>Where a scope's bias lies among a grid's tables: row tables [query rows, patch rows] and column tables
/// [query columns, patch columns], for each head one after another.</summary>
/// <param name="Rows">The first row table.</param>
/// <param name="Columns">The first column table.</param>
/// <param name="HeadStride">From one head to the next; 0 where heads share the tables.</param>
internal readonly record struct BiasTable(int Rows, int Columns, int HeadStride);

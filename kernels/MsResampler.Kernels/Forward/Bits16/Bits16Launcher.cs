using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>Starts the kernels of models in 16 bits on one stream.</summary>
/// <param name="library">The device's kernels.</param>
/// <param name="kernels">Those of the model's type.</param>
/// <param name="stream">The stream.</param>
internal readonly struct Bits16Launcher(KernelLibrary library, Bits16Kernels kernels, IDeviceStream stream)
{
    /// <summary>Matrix products C = A·Wᵀ + bias.</summary>
    /// <param name="variants">The kernel in all shapes.</param>
    /// <param name="product">The products.</param>
    /// <param name="scale">Where rows' sums of squares go, or what scales rows.</param>
    /// <param name="table">What is added to rows.</param>
    public void Multiply(KernelVariant[] variants, in Product product, in RowScale scale = default,
        in RowTable table = default)
    {
        int columnCount = 4 * product.ColumnVectors;
        GemmMmaShape shape = GemmMmaShape.For(product.RowCount, columnCount, product.Count, library.Properties);
        IDeviceKernel kernel = library.Get(variants[shape.Index]);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        product.AddTo(ref arguments, scale, table);
        stream.Launch(kernel, shape.LaunchFor(product.RowCount, columnCount, product.Count), arguments.Bytes);
    }

    /// <summary>Layer normalisation of rows.</summary>
    /// <param name="norm">Weight and bias.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="source">The rows.</param>
    /// <param name="units">What multiplied each; empty where nothing did.</param>
    /// <param name="destination">Receives normalised rows.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    public void Normalise(DeviceNorm norm, double epsilon, DeviceView source, DeviceView units, DeviceView destination,
        int rowCount, PaddedAxis width)
    {
        IDeviceKernel kernel = library.Get(kernels.Norm);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(source, norm.Weight, norm.Bias, destination, units);
        arguments.Add(rowCount, width.Size, width.Vectors, width.Vectors);
        arguments.Add((float)Math.Sqrt(epsilon));
        stream.Launch(kernel, library.WarpsFor(rowCount), arguments.Bytes);
    }

    /// <summary>Attention of the workspace's schedule.</summary>
    /// <param name="layout">The model's layout.</param>
    /// <param name="workspace">The schedule.</param>
    /// <param name="queries">Projected queries.</param>
    /// <param name="arena">The tables of the schedule.</param>
    /// <param name="keyValues">Keys and values.</param>
    /// <param name="output">Receives weighted sums.</param>
    /// <param name="logSums">Receives logarithms of sums of weights.</param>
    public void Attend(ModelLayout layout, Workspace workspace, DeviceView queries, IDeviceMemory arena,
        DeviceView keyValues, DeviceView output, DeviceView logSums)
    {
        KernelVariant variant = kernels.AttentionFor(layout.Config.HeadSize);
        IDeviceKernel kernel = library.Get(variant);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        DeviceView tables = DeviceView.OfVectors(arena);
        arguments.Add(workspace.Blocks, tables.AsScalars(), tables, tables.AsScalars(), queries, keyValues, output,
            logSums);
        arguments.Add(layout.ScopeCount, layout.KeyScopeCount, layout.Heads.SegmentCount, layout.Heads.SegmentVectors,
            layout.Config.QueryGrid.Columns, 1);
        stream.Launch(kernel, new LaunchSize(workspace.BlockCount, layout.Heads.SegmentCount, variant.GroupSize),
            arguments.Bytes);
    }

    /// <summary>The gate, the fused branches and the final layer normalisation.</summary>
    public void Fuse(ModelLayout layout, Bits16Weights weights, DeviceView hidden, DeviceView branches, DeviceView gates,
        DeviceView fused, int tokenCount)
    {
        IDeviceKernel kernel = library.Get(kernels.FusionGate);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(hidden, weights.GateHidden!.Bias, weights.GateOutput!.Weight, weights.GateOutput.Bias, branches,
            weights.PostNorm.Weight, weights.PostNorm.Bias, gates, fused);
        arguments.Add(tokenCount, layout.GateHidden.Vectors, layout.ScopeCount, layout.Config.GateGroupCount,
            layout.Width.Size, layout.Width.Vectors);
        arguments.Add((float)Math.Sqrt(layout.Config.LayerNormEpsilon));
        stream.Launch(kernel, new LaunchSize(tokenCount, 1, Bits16Kernels.GateGroupSizeFor(layout.Width.Size)), arguments.Bytes);
    }

    /// <summary>One scope's attention weights in full, of the only image of a group.</summary>
    public void Map(ModelLayout layout, Bits16Grid grid, int scope, DeviceView queries, IDeviceMemory arena,
        DeviceView keyValues, DeviceView logSums, DeviceView maps)
    {
        IDeviceKernel kernel = library.Get(kernels.AttentionMap);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        DeviceView tables = DeviceView.OfVectors(arena);
        arguments.Add(tables.From(grid.ScopeStart, grid.Scopes.Length), tables, tables.AsScalars(), queries.AsScalars(),
            keyValues.AsScalars(), logSums, maps);
        arguments.Add(scope, layout.ScopeCount, layout.KeyScopeCount, layout.Heads.SegmentVectors, grid.Plan.Grid.Rows);
        stream.Launch(kernel, new LaunchSize((layout.QueryCount + ScopeSchedule.UnitSize - 1) / ScopeSchedule.UnitSize,
            layout.Heads.SegmentCount, kernels.AttentionMap.GroupSize), arguments.Bytes);
    }

    /// <summary>Rows of features scaled and rounded.</summary>
    /// <param name="source">[rows, width].</param>
    /// <param name="isHalf">Whether they are of the model's type; float32 otherwise.</param>
    /// <param name="destination">[rows, width], padded.</param>
    /// <param name="units">Receives what each row was multiplied by.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="maxUnit">The largest factor.</param>
    public void Convert(DeviceView source, bool isHalf, DeviceView destination, DeviceView units, int rowCount,
        PaddedAxis width, float maxUnit)
    {
        IDeviceKernel kernel = library.Get(isHalf ? kernels.Scaling : kernels.Conversion);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(source, destination, units);
        arguments.Add(rowCount, width.Size, width.Size, width.Vectors);
        arguments.Add(maxUnit);
        stream.Launch(kernel, library.WarpsFor(rowCount), arguments.Bytes);
    }
}

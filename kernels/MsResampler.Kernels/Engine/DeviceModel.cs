using System.Buffers;
using System.Runtime.InteropServices;
using MsResampler.Planning;

namespace MsResampler.Kernels.Engine;

/// <summary>A model's weights on a device and the launches of its forward pass, in one precision.</summary>
/// <param name="layout">How the model's axes lie on the device.</param>
/// <param name="planner">Plans grids for the precision's attention kernel.</param>
internal abstract class DeviceModel(ModelLayout layout, Planner planner) : IDisposable
{
    public ModelLayout Layout => layout;

    /// <summary>The type of its activations.</summary>
    public abstract CudaElementType ElementType { get; }

    /// <summary>What is computed for images of a grid.</summary>
    public ExecutionPlan Plan(PatchGrid grid) => planner.Plan(grid);

    /// <summary>The parts of a workspace in the order of their indices, each in groups of 16 bytes.</summary>
    /// <param name="rowCount">Patches of all images of a group.</param>
    /// <param name="tokenCount">Its tokens.</param>
    public abstract long[] Parts(long rowCount, long tokenCount);

    /// <summary>Lays out what a grid needs.</summary>
    /// <param name="plan">The grid's plan.</param>
    /// <param name="start">Where its part of the arena begins, in groups of 16 bytes.</param>
    public abstract GridOperands Lay(ExecutionPlan plan, long start);

    /// <summary>Copies or computes what was laid out; the copies are complete when the call returns, the computations
    /// with the stream.</summary>
    public abstract void Fill(IDeviceMemory arena, GridOperands operands, IDeviceStream stream);

    /// <summary>The schedule of attention of a group of images, the longest blocks first, so that none starts late and
    /// alone. The order decides nothing else.</summary>
    /// <param name="grids">The group's grids.</param>
    /// <param name="arena">Holds their operands.</param>
    /// <param name="blockCount">Its blocks.</param>
    public abstract byte[] Schedule(ReadOnlySpan<PatchGrid> grids, GridArena arena, out int blockCount);

    /// <summary>Clears what launches find in a workspace that was laid out anew.</summary>
    public abstract void Clear(Workspace workspace);

    /// <summary>Copies the features of a group of images to its workspace.</summary>
    public abstract void UploadFeatures(Workspace workspace, ReadOnlySpan<float> features);

    /// <summary>Starts to copy the features of a group of images to its workspace.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="features">The features, in float32 or <see cref="ElementType"/>.</param>
    public abstract void CopyFeatures(Workspace workspace, CudaTensor features);

    /// <summary>Starts the forward pass of a group: from the workspace's features to its tokens.</summary>
    public abstract void Compute(Workspace workspace, GridArena arena, TokenTarget target,
        CancellationToken cancellationToken);

    /// <summary>Waits for the tokens of a group and copies them.</summary>
    public abstract void DownloadTokens(Workspace workspace, Span<float> tokens);

    /// <summary>Starts to copy the tokens of a group.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="tokens">Receives them, in the type that the pass's target has stored.</param>
    public abstract void CopyTokens(Workspace workspace, CudaTensor tokens);

    /// <summary>Reports an overflow of a pass whose target is the device, and forgets it. Every such pass must be
    /// done.</summary>
    /// <exception cref="Float16OverflowException">There was one.</exception>
    public abstract void ThrowIfOverflowed(IDeviceStream stream);

    /// <summary>Computes one scope's attention weights of a group of one image whose forward pass was computed,
    /// [A, M, N].</summary>
    public abstract void Map(Workspace workspace, GridArena arena, int scope, DeviceView maps);

    /// <summary>Where the gate's weights of a group are, [tokens, S·R]; null without a gate.</summary>
    public abstract DeviceView? Gates(Workspace workspace);

    public abstract void Dispose();

    /// <summary>The blocks of a group of images from those of its grids.</summary>
    /// <param name="grids">The group's grids.</param>
    /// <param name="blocksOf">The blocks of an image of a grid.</param>
    /// <param name="move">A block of an image whose first row and token are not the group's.</param>
    /// <param name="cost">What a block costs, relative to others.</param>
    /// <param name="blockCount">All blocks.</param>
    protected byte[] Schedule<TBlock>(ReadOnlySpan<PatchGrid> grids, Func<PatchGrid, TBlock[]> blocksOf,
        Func<TBlock, int, int, TBlock> move, Func<TBlock, long> cost, out int blockCount)
        where TBlock : unmanaged
    {
        List<TBlock> blocks = [];
        int row = 0;
        for (int image = 0; image < grids.Length; image++)
        {
            foreach (TBlock block in blocksOf(grids[image]))
                blocks.Add(move(block, row, image * layout.QueryCount));
            row += (int)grids[image].PatchCount;
        }

        blockCount = blocks.Count;
        TBlock[] ordered = [.. blocks.OrderByDescending(cost)];
        return MemoryMarshal.AsBytes<TBlock>(ordered).ToArray();
    }

    /// <summary>Clears features where their rows are padded: copies within the device leave the padding as it
    /// is.</summary>
    protected void ClearPadding(Workspace workspace, DeviceView features)
    {
        if (layout.Channels.PaddedSize != layout.Channels.Size)
            workspace.Stream.Clear(features.Address, features.Count * DeviceView.VectorBytes);
    }

    /// <summary>Starts to copy features that have the type of activations.</summary>
    protected void CopyFeatures(Workspace workspace, CudaTensor features, DeviceView destination)
        => workspace.Stream.Copy((ulong)features.Address, features.BytesOf(layout.Channels.Size), destination.Address,
            features.BytesOf(layout.Channels.PaddedSize), features.BytesOf(layout.Channels.Size), workspace.RowCount);

    /// <summary>Starts to copy tokens.</summary>
    protected void CopyTokens(Workspace workspace, DeviceView source, CudaTensor tokens)
        => workspace.Stream.Copy(source.Address, tokens.BytesOf(layout.Output.PaddedSize), (ulong)tokens.Address,
            tokens.BytesOf(layout.Output.Size), tokens.BytesOf(layout.Output.Size), workspace.TokenCount);

    /// <summary>Waits for tokens in float32, padded to whole groups of four, and copies them without the padding.
    /// </summary>
    protected void DownloadRows(Workspace workspace, DeviceView rows, Span<float> tokens)
    {
        int width = layout.Output.Size;
        int stride = layout.Output.PaddedSize;
        if (width == stride)
        {
            workspace.Download(rows, MemoryMarshal.AsBytes(tokens));
            return;
        }

        int rowCount = tokens.Length / width;
        float[] padded = ArrayPool<float>.Shared.Rent(checked(rowCount * stride));
        workspace.Download(rows, MemoryMarshal.AsBytes(padded.AsSpan(0, rowCount * stride)));
        for (int row = 0; row < rowCount; row++)
            padded.AsSpan(row * stride, width).CopyTo(tokens[(row * width)..]);
        ArrayPool<float>.Shared.Return(padded);
    }
}

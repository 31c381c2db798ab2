using System.Buffers;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Gemm;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Forward;

/// <summary>A model's weights on a device and the launches of its forward pass, in one precision.</summary>
/// <param name="device">The device.</param>
/// <param name="stream">Prepares it.</param>
/// <param name="model">The model; not needed afterwards.</param>
/// <param name="precision">In what it is computed.</param>
/// <param name="groupSize">Activations of 16 bytes: 4 of 32 bits or 8 of 16 bits.</param>
/// <param name="costs">What the precision's attention kernel costs.</param>
internal abstract class DeviceModel(IDevice device, IDeviceStream stream, ResamplerModel model, Precision precision,
    int groupSize, CostModel costs) : IDisposable
{
    /// <summary>Groups of 16 bytes of a <see cref="OverflowNote"/>.</summary>
    private const int NoteVectors = 1;

    /// <summary>Of passes whose tokens go to the device.</summary>
    private readonly IDeviceMemory _note = EmptyNote(device, stream);

    private readonly Planner _planner = new(model.Config, model.Weights.KeyValueInput is not null, costs);

    /// <summary>How the model's axes lie on the device.</summary>
    public ModelLayout Layout { get; } = new(model.Config, groupSize);

    /// <summary>The type of its activations.</summary>
    public abstract DeviceElementType ElementType { get; }

    /// <summary>What is computed for images of a grid.</summary>
    public ExecutionPlan Plan(PatchGrid grid) => _planner.Plan(grid);

    protected ResamplerConfig Config => Layout.Config;

    /// <summary>Learned log sigma of each scope, or null.</summary>
    protected double[]?[] LogSigmas { get; } = [.. model.Weights.Scopes.Select(scope => scope.LogSigma?.ToDouble())];

    /// <summary>The table of positions stored on the query grid, or null.</summary>
    protected float[]? StoredPositions { get; } = model.Weights.PositionTable?.ToSingle();

    /// <summary>Groups of 16 bytes of a workspace that follow features, from a multiple of 256 bytes on, and are uploaded
    /// with them.</summary>
    protected virtual long FeatureTail(long rowCount) => 0;

    /// <summary>Groups of 16 bytes from the first feature of a workspace to their tail.</summary>
    protected long FeatureVectors(long rowCount) => (rowCount * Layout.Channels.Vectors + 15) / 16 * 16;

    /// <summary>The parts of a workspace in the order of their indices, each in groups of 16 bytes.</summary>
    /// <param name="rowCount">Patches of all images of a group.</param>
    /// <param name="tokenCount">Its tokens.</param>
    public long[] Parts(long rowCount, long tokenCount) =>
    [
        FeatureVectors(rowCount) + FeatureTail(rowCount),
        rowCount * Layout.Width.Vectors,
        tokenCount * Layout.ScopeCount * Layout.Heads.Vectors,
        tokenCount * Layout.Branches.Vectors,
        ((tokenCount * Layout.GateCount) + 3) / 4,
        tokenCount * Layout.Width.Vectors,
        tokenCount * Layout.Output.Vectors,
        NoteVectors,
        .. OwnParts(rowCount, tokenCount),
    ];

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

    /// <summary>Clears what launches find in a workspace that was laid out anew: its note; features where their rows are
    /// padded, because copies within the device leave the padding as it is.</summary>
    public void Clear(Workspace workspace)
    {
        workspace.Stream.Clear(workspace.Part(Part.Note).Address, NoteVectors * DeviceView.VectorBytes);
        DeviceView features = workspace.Part(Part.Features);
        if (Layout.Channels.PaddedSize != Layout.Channels.Size)
            workspace.Stream.Clear(features.Address, features.Count * DeviceView.VectorBytes);
    }

    /// <summary>Copies the features of a group of images to its workspace.</summary>
    public abstract void UploadFeatures(Workspace workspace, ReadOnlySpan<float> features);

    /// <summary>Starts to copy the features of a group of images to its workspace.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="features">The features, in float32 or <see cref="ElementType"/>.</param>
    public virtual void CopyFeatures(Workspace workspace, DeviceTensor features)
        => workspace.Stream.Copy((ulong)features.Address, features.BytesOf(Layout.Channels.Size),
            workspace.Part(Part.Features).Address, features.BytesOf(Layout.Channels.PaddedSize),
            features.BytesOf(Layout.Channels.Size), workspace.RowCount);

    /// <summary>Starts the forward pass of a group: from the workspace's features to its tokens.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="arena">Holds the group's operands.</param>
    /// <param name="target">Where tokens go.</param>
    /// <param name="firstToken">What an overflow's note calls the first of them.</param>
    /// <param name="cancellationToken">Looked at between launches.</param>
    public abstract void Compute(Workspace workspace, GridArena arena, TokenTarget target, int firstToken,
        CancellationToken cancellationToken);

    /// <summary>Waits for the tokens of a group, in float32, and copies them.</summary>
    public void DownloadTokens(Workspace workspace, Span<float> tokens)
    {
        DeviceView rows = workspace.Part(Part.Tokens);
        int width = Layout.Output.Size;
        int stride = Layout.Output.PaddedSize;
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

    /// <summary>Starts to copy the tokens of a group.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="tokens">Receives them, in the type that the pass's target has stored.</param>
    public void CopyTokens(Workspace workspace, DeviceTensor tokens)
        => workspace.Stream.Copy(workspace.Part(Part.Tokens).Address, tokens.BytesOf(Layout.Output.PaddedSize),
            (ulong)tokens.Address, tokens.BytesOf(Layout.Output.Size), tokens.BytesOf(Layout.Output.Size),
            workspace.TokenCount);

    /// <summary>Reports an overflow of a group whose tokens were downloaded, and forgets it.</summary>
    /// <param name="workspace">The group's.</param>
    /// <param name="firstImage">The index of its first image in the call.</param>
    /// <exception cref="ActivationOverflowException">There was one.</exception>
    public void ThrowIfOverflowed(Workspace workspace, int firstImage)
    {
        DeviceView note = workspace.Part(Part.Note);
        Span<int> found = stackalloc int[NoteVectors * DeviceView.VectorBytes / sizeof(int)];
        workspace.Download(note, MemoryMarshal.AsBytes(found));
        if (!Forget(found[0], workspace.Stream, note))
            return;
        int image = OverflowNote.RowOf(found[0]) / Layout.QueryCount;
        PatchGrid grid = workspace.Grids[image];
        throw Overflow($"image {firstImage + image} ({grid} patches)", firstImage + image, grid);
    }

    /// <summary>Reports an overflow of passes whose target is the device, and forgets it. Every such pass must be
    /// done.</summary>
    /// <exception cref="ActivationOverflowException">There was one.</exception>
    public void ThrowIfOverflowed(IDeviceStream stream)
    {
        Span<int> found = stackalloc int[NoteVectors * DeviceView.VectorBytes / sizeof(int)];
        stream.Download(_note, MemoryMarshal.AsBytes(found));
        if (!Forget(found[0], stream, DeviceView.OfVectors(_note)))
            return;
        int image = OverflowNote.RowOf(found[0]) / Layout.QueryCount;
        throw Overflow($"image {image} of a call since this was last asked", image, default);
    }

    /// <summary>Computes one scope's attention weights of a group of one image whose forward pass was computed,
    /// [A, M, N].</summary>
    public abstract void Map(Workspace workspace, GridArena arena, int scope, DeviceView maps);

    /// <summary>Where the gate's weights of a group are, [tokens, S·R]; null without a gate.</summary>
    public abstract DeviceView? Gates(Workspace workspace);

    public virtual void Dispose() => _note.Dispose();

    /// <summary>Where a pass notes an overflow.</summary>
    protected DeviceView NoteOf(Workspace workspace, TokenTarget target)
        => (target == TokenTarget.Host ? workspace.Part(Part.Note) : DeviceView.OfVectors(_note)).AsScalars();

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
                blocks.Add(move(block, row, image * Layout.QueryCount));
            row += (int)grids[image].PatchCount;
        }

        blockCount = blocks.Count;
        TBlock[] ordered = [.. blocks.OrderByDescending(cost)];
        return MemoryMarshal.AsBytes<TBlock>(ordered).ToArray();
    }

    /// <summary>The exception for an overflow.</summary>
    /// <param name="image">The image, for people.</param>
    /// <param name="imageIndex">Its index.</param>
    /// <param name="grid">Its grid, if it is known.</param>
    private ActivationOverflowException Overflow(string image, int imageIndex, PatchGrid grid)
    {
        string message = $"{image}: {ActivationOverflowException.Describe(precision)}";
        return precision == Precision.Float16 ? new Float16OverflowException(message, imageIndex, grid)
            : new ActivationOverflowException(message, precision, imageIndex, grid);
    }

    /// <summary>Empties a note that was read.</summary>
    /// <returns>Whether there was anything in it.</returns>
    private static bool Forget(int found, IDeviceStream stream, DeviceView note)
    {
        if (found == 0)
            return false;
        stream.Clear(note.Address, NoteVectors * DeviceView.VectorBytes);
        // Before work of another stream can note the next.
        stream.Synchronize();
        return true;
    }

    private static IDeviceMemory EmptyNote(IDevice device, IDeviceStream stream)
    {
        IDeviceMemory note = device.Allocate(NoteVectors * DeviceView.VectorBytes);
        try
        {
            stream.Clear(note.Address, note.ByteCount);
            return note;
        }
        catch
        {
            note.Dispose();
            throw;
        }
    }

    /// <summary>Parts of a workspace that the precision has beside those of <see cref="Part"/>, whose indices follow
    /// theirs.</summary>
    protected abstract long[] OwnParts(long rowCount, long tokenCount);

    /// <summary>The parts of a workspace that every precision has.</summary>
    protected static class Part
    {
        /// <summary>Features, [rows, C].</summary>
        public const int Features = 0;

        /// <summary>Z, [rows, D].</summary>
        public const int Normal = 1;

        /// <summary>Weighted sums, [tokens, S, heads].</summary>
        public const int Attention = 2;

        /// <summary>O, [tokens, S, D].</summary>
        public const int Branches = 3;

        /// <summary>Gate weights, float32, [tokens, S·R].</summary>
        public const int Gates = 4;

        /// <summary>Fused and normalised tokens, [tokens, D].</summary>
        public const int Fused = 5;

        /// <summary>Tokens, [tokens, L], in float32 or, for the device alone, the type of activations.</summary>
        public const int Tokens = 6;

        /// <summary>The note of overflows in passes whose tokens go to the host.</summary>
        public const int Note = 7;

        /// <summary>The number of these parts.</summary>
        public const int Count = 8;
    }
}

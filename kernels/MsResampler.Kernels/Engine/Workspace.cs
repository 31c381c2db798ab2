using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Engine;

/// <summary>One call's stream and memory, kept for later calls.</summary>
internal sealed class Workspace : IDisposable
{
    private const int PartVectors = 16;

    private readonly IDevice _device;
    private readonly ModelLayout _layout;
    private IDeviceMemory? _memory;
    private IDeviceMemory? _tables;
    private GridArena? _tableArena;
    private PatchGrid[] _tableGrids = [];
    private long _end;

    public Workspace(IDevice device, ModelLayout layout, KernelLibrary kernels)
    {
        _device = device;
        _layout = layout;
        Launcher = new KernelLauncher(device, kernels, device.CreateStream());
    }

    public KernelLauncher Launcher { get; }

    public IDeviceStream Stream => Launcher.Stream;

    /// <summary>The features of the group, [rows, C].</summary>
    public DeviceView Features { get; private set; }

    /// <summary>Z, [rows, D].</summary>
    public DeviceView Normal { get; private set; }

    /// <summary>Z with positions; Z itself where keys see none.</summary>
    public DeviceView Positioned { get; private set; }

    /// <summary>Keys, [scopes, heads, d/4][rows].</summary>
    public DeviceView Keys { get; private set; }

    /// <summary>Values, [rows, scopes, heads].</summary>
    public DeviceView Values { get; private set; }

    /// <summary>Weighted sums, [tokens, S, heads].</summary>
    public DeviceView Attention { get; private set; }

    /// <summary>O, [tokens, S, D].</summary>
    public DeviceView Branches { get; private set; }

    /// <summary>The gate's hidden layer, [tokens, G].</summary>
    public DeviceView Hidden { get; private set; }

    /// <summary>Gate weights, [tokens, S·R].</summary>
    public DeviceView Gates { get; private set; }

    /// <summary>Fused and normalised tokens, [tokens, D].</summary>
    public DeviceView Fused { get; private set; }

    /// <summary>Tokens, [tokens, L].</summary>
    public DeviceView Tokens { get; private set; }

    /// <summary>For each row where its position lies in the arena.</summary>
    public DeviceView PositionStarts { get; private set; }

    /// <summary>The schedule of attention.</summary>
    public DeviceView Blocks { get; private set; }

    public int BlockCount { get; private set; }

    /// <summary>Memory of the whole workspace, for <see cref="Upload"/> and <see cref="Download"/>.</summary>
    public IDeviceMemory Memory => _memory!;

    /// <summary>Bytes that a group takes.</summary>
    public static long BytesOf(ModelLayout layout, long rowCount, long imageCount)
    {
        long row = layout.Channels.Vectors + (2L * layout.Width.Vectors)
            + (2L * layout.KeyScopeCount * layout.Heads.Vectors);
        long token = ((long)layout.ScopeCount * layout.Heads.Vectors) + layout.Branches.Vectors
            + layout.GateHidden.Vectors + ((layout.GateCount + 3) / 4) + layout.Width.Vectors + layout.Output.Vectors;
        return DeviceView.VectorBytes * ((row * rowCount) + (token * imageCount * layout.QueryCount));
    }

    /// <summary>Makes room for a group and copies its tables to the device, unless they are there.</summary>
    /// <param name="grids">The group's grids.</param>
    /// <param name="arena">Holds their operands.</param>
    /// <param name="rowCount">Patches of all images.</param>
    public void Prepare(ReadOnlySpan<PatchGrid> grids, GridArena arena, int rowCount)
    {
        Reserve(rowCount, checked(grids.Length * _layout.QueryCount));
        if (arena == _tableArena && grids.SequenceEqual(_tableGrids))
            return;
        _tableArena = null;
        bool hasPositions = _layout.Config.PositionEmbedding.Keys;
        int[] starts = new int[hasPositions ? (rowCount + 3) & ~3 : 0];
        List<AttentionBlock> blocks = [];
        int row = 0;
        for (int image = 0; image < grids.Length; image++)
        {
            GridOperands operands = arena.Grids[grids[image]];
            foreach (AttentionBlock block in operands.Blocks)
            {
                blocks.Add(block with
                {
                    FirstKey = block.FirstKey + row,
                    FirstToken = image * _layout.QueryCount,
                });
            }

            for (int patch = 0; patch < (int)grids[image].PatchCount; patch++, row++)
                if (hasPositions)
                    starts[row] = operands.PositionStart + (patch * _layout.Width.Vectors);
        }

        // The longest first, so that no block starts late and alone. The order decides nothing else.
        AttentionBlock[] ordered = [.. blocks.OrderByDescending(block => block.KeyCount)];
        ReadOnlySpan<byte> startBytes = MemoryMarshal.AsBytes<int>(starts);
        ReadOnlySpan<byte> blockBytes = MemoryMarshal.AsBytes<AttentionBlock>(ordered);
        int blockStart = (startBytes.Length + 255) & ~255;
        Grow(ref _tables, blockStart + blockBytes.Length);
        if (hasPositions)
            Stream.Upload(startBytes, _tables, 0);
        Stream.Upload(blockBytes, _tables, blockStart);
        PositionStarts = new DeviceView(_tables.Address, starts.Length);
        Blocks = new DeviceView(_tables.Address + (ulong)blockStart, ordered.Length);
        BlockCount = ordered.Length;
        _tableArena = arena;
        _tableGrids = grids.ToArray();
    }

    /// <summary>Copies into a part of the workspace.</summary>
    public void Upload(ReadOnlySpan<float> source, DeviceView part)
        => Stream.Upload(MemoryMarshal.AsBytes(source), Memory, (long)(part.Address - Memory.Address));

    /// <summary>Copies out of a part of the workspace.</summary>
    public void Download(DeviceView part, Span<float> destination)
        => Stream.Download(Memory, MemoryMarshal.AsBytes(destination), (long)(part.Address - Memory.Address));

    public void Dispose()
    {
        try
        {
            Stream.Dispose();
        }
        finally
        {
            _memory?.Dispose();
            _tables?.Dispose();
        }
    }

    private void Reserve(int rowCount, int tokenCount)
    {
        ModelLayout layout = _layout;
        _end = 0;
        long[] starts =
        [
            Place((long)rowCount * layout.Channels.Vectors),
            Place((long)rowCount * layout.Width.Vectors),
            Place(layout.Config.PositionEmbedding.Keys ? (long)rowCount * layout.Width.Vectors : 0),
            Place((long)rowCount * layout.KeyScopeCount * layout.Heads.Vectors),
            Place((long)rowCount * layout.KeyScopeCount * layout.Heads.Vectors),
            Place((long)tokenCount * layout.ScopeCount * layout.Heads.Vectors),
            Place((long)tokenCount * layout.Branches.Vectors),
            Place((long)tokenCount * layout.GateHidden.Vectors),
            Place((((long)tokenCount * layout.GateCount) + 3) / 4),
            Place((long)tokenCount * layout.Width.Vectors),
            Place((long)tokenCount * layout.Output.Vectors),
        ];
        Grow(ref _memory, _end * DeviceView.VectorBytes);
        DeviceView all = DeviceView.OfVectors(_memory);
        Features = Part(0);
        Normal = Part(1);
        Positioned = layout.Config.PositionEmbedding.Keys ? Part(2) : Normal;
        Keys = Part(3);
        Values = Part(4);
        Attention = Part(5);
        Branches = Part(6);
        Hidden = Part(7);
        Gates = Part(8).AsScalars();
        Fused = Part(9);
        Tokens = Part(10);

        DeviceView Part(int index)
            => all.From(starts[index], (index + 1 < starts.Length ? starts[index + 1] : _end) - starts[index]);
    }

    /// <summary>The start of a part, in groups of four floats.</summary>
    private long Place(long vectorCount)
    {
        // Kernels count with 32 bits.
        if (vectorCount > int.MaxValue)
        {
            throw new DeviceException($"an image needs a buffer of {vectorCount * DeviceView.VectorBytes} bytes on " +
                $"the device, more than {(long)int.MaxValue * DeviceView.VectorBytes}: use a smaller patch grid");
        }

        long start = _end;
        _end += (vectorCount + PartVectors - 1) / PartVectors * PartVectors;
        return start;
    }

    private void Grow([System.Diagnostics.CodeAnalysis.NotNull] ref IDeviceMemory? memory, long byteCount)
    {
        if (memory is not null && memory.ByteCount >= byteCount)
            return;
        memory?.Dispose();
        memory = null;
        memory = _device.Allocate(byteCount);
    }
}

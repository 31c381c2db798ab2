using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Engine;

/// <summary>One call's stream and memory, kept for later calls.</summary>
internal sealed class Workspace : IDisposable
{
    private const int PartVectors = 16;

    private readonly IDevice _device;
    private readonly DeviceModel _model;
    private IDeviceMemory? _memory;
    private IDeviceMemory? _tables;
    private DeviceView[] _parts = [];
    private GridArena? _tableArena;
    private PatchGrid[] _tableGrids = [];
    private IDeviceGraph? _graph;
    private int _runCount;

    public Workspace(IDevice device, DeviceModel model)
    {
        _device = device;
        _model = model;
        Stream = device.CreateStream();
    }

    public IDeviceStream Stream { get; }

    /// <summary>The grids of the group it was prepared for.</summary>
    public ReadOnlySpan<PatchGrid> Grids => _tableGrids;

    /// <summary>Patches of all images of the group.</summary>
    public int RowCount { get; private set; }

    /// <summary>Tokens of the group.</summary>
    public int TokenCount => _tableGrids.Length * _model.Layout.QueryCount;

    /// <summary>For each row the first group of 16 bytes of its patch's row of its grid's table in the arena; empty where
    /// grids have none.</summary>
    public DeviceView RowStarts { get; private set; }

    /// <summary>The schedule of attention.</summary>
    public DeviceView Blocks { get; private set; }

    public int BlockCount { get; private set; }

    /// <summary>One of <see cref="DeviceModel.Parts"/>.</summary>
    public DeviceView Part(int index) => _parts[index];

    /// <summary>Bytes that a group takes.</summary>
    public static long BytesOf(DeviceModel model, long rowCount, long imageCount)
        => model.Parts(rowCount, imageCount * model.Layout.QueryCount).Sum(Round) * DeviceView.VectorBytes;

    /// <summary>Makes room for a group and copies its tables to the device, unless they are there.</summary>
    /// <param name="grids">The group's grids.</param>
    /// <param name="arena">Holds their operands.</param>
    public void Prepare(ReadOnlySpan<PatchGrid> grids, GridArena arena)
    {
        if (arena == _tableArena && grids.SequenceEqual(_tableGrids))
            return;
        Invalidate();
        _tableGrids = grids.ToArray();
        RowCount = checked((int)_tableGrids.Sum(grid => grid.PatchCount));
        Reserve();
        int[] starts = StartsOf(arena);
        ReadOnlySpan<byte> startBytes = MemoryMarshal.AsBytes<int>(starts);
        byte[] blocks = _model.Schedule(grids, arena, out int blockCount);
        int blockStart = (startBytes.Length + 255) & ~255;
        Grow(ref _tables, blockStart + blocks.Length);
        if (starts.Length > 0)
            Stream.Upload(startBytes, _tables, 0);
        Stream.Upload(blocks, _tables, blockStart);
        _model.Clear(this);
        RowStarts = new DeviceView(_tables.Address, starts.Length);
        Blocks = new DeviceView(_tables.Address + (ulong)blockStart, blockCount);
        BlockCount = blockCount;
        _tableArena = arena;
    }

    /// <summary>Has the next call prepare everything anew, after one that did not finish.</summary>
    public void Invalidate()
    {
        // Waits for its work, and goes before the memory that it uses.
        _graph?.Dispose();
        _graph = null;
        _runCount = 0;
        _tableArena = null;
    }

    /// <summary>Starts the forward pass of the group it was prepared for. The first time its launches are started one by
    /// one, which loads the kernels; the second time they are recorded as a graph, and started so from then on, where the
    /// device can.</summary>
    /// <param name="arena">Holds the group's operands.</param>
    /// <param name="cancellationToken">Looked at between launches; a graph is started whole.</param>
    public void Run(GridArena arena, CancellationToken cancellationToken)
    {
        if (++_runCount == 2)
            _graph = Record(arena);
        if (_graph is null || !Stream.TryLaunch(_graph))
            _model.Compute(this, arena, cancellationToken);
    }

    /// <summary>Copies into a part of the workspace.</summary>
    public void Upload(ReadOnlySpan<byte> source, DeviceView part)
        => Stream.Upload(source, _memory!, (long)(part.Address - _memory!.Address));

    /// <summary>Copies out of a part of the workspace.</summary>
    public void Download(DeviceView part, Span<byte> destination)
        => Stream.Download(_memory!, destination, (long)(part.Address - _memory!.Address));

    public void Dispose()
    {
        try
        {
            _graph?.Dispose();
            Stream.Dispose();
        }
        finally
        {
            _memory?.Dispose();
            _tables?.Dispose();
        }
    }

    /// <summary>Groups of 16 bytes rounded up, so that every part is aligned to 256 bytes.</summary>
    private static long Round(long vectorCount) => (vectorCount + PartVectors - 1) / PartVectors * PartVectors;

    private IDeviceGraph? Record(GridArena arena)
        => Stream.Capture(() => _model.Compute(this, arena, CancellationToken.None));

    private int[] StartsOf(GridArena arena)
    {
        if (arena.Grids[_tableGrids[0]].TableStart is null)
            return [];
        int[] starts = new int[(RowCount + 3) & ~3];
        int row = 0;
        foreach (PatchGrid grid in _tableGrids)
        {
            GridOperands operands = arena.Grids[grid];
            for (int patch = 0; patch < (int)grid.PatchCount; patch++)
                starts[row++] = operands.TableStart!.Value + (patch * operands.TableStride);
        }

        return starts;
    }

    private void Reserve()
    {
        long[] sizes = _model.Parts(RowCount, TokenCount);
        foreach (long size in sizes)
        {
            // Kernels count with 32 bits.
            if (size > int.MaxValue)
            {
                throw new DeviceException($"an image needs a buffer of {size * DeviceView.VectorBytes} bytes on the " +
                    $"device, more than {(long)int.MaxValue * DeviceView.VectorBytes}: use a smaller patch grid");
            }
        }

        Grow(ref _memory, sizes.Sum(Round) * DeviceView.VectorBytes);
        DeviceView all = DeviceView.OfVectors(_memory);
        _parts = new DeviceView[sizes.Length];
        long start = 0;
        for (int part = 0; part < sizes.Length; part++)
        {
            _parts[part] = all.From(start, sizes[part]);
            start += Round(sizes[part]);
        }
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

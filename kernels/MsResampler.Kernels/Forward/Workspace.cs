using System.Runtime.InteropServices;
using MsResampler.Kernels.Device;

namespace MsResampler.Kernels.Forward;

/// <summary>One call's stream and memory, kept for later calls.</summary>
internal sealed class Workspace : IDisposable
{
    private const int PartVectors = 16;

    /// <summary>Kernels count with 32 bits, groups of 8 bytes at the finest where a part can be as large.</summary>
    private const int MaxPartVectors = int.MaxValue / 2;

    private readonly IDevice _device;
    private readonly DeviceModel _model;
    private readonly Pass[] _passes = [.. Enum.GetValues<TokenTarget>().Select(_ => new Pass())];
    private IDeviceMemory? _memory;
    private IDeviceMemory? _tables;
    private DeviceView[] _parts = [];
    private GridArena? _tableArena;
    private PatchGrid[] _tableGrids = [];
    private GridArena? _pendingArena;

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
    /// <remarks>Work of an earlier call that nobody has waited for is waited for here where it reads another arena, or
    /// memory that is too small, and not otherwise.</remarks>
    public void Prepare(ReadOnlySpan<PatchGrid> grids, GridArena arena)
    {
        if (arena == _tableArena && grids.SequenceEqual(_tableGrids))
            return;
        if (arena != _pendingArena)
            Settle();
        Invalidate();
        _tableGrids = grids.ToArray();
        RowCount = checked((int)_tableGrids.Sum(grid => grid.PatchCount));
        Reserve();
        int[] starts = StartsOf(arena);
        byte[] blocks = _model.Schedule(grids, arena, out int blockCount);
        int blockStart = ((starts.Length * sizeof(int)) + 255) & ~255;
        // One copy: a stream has buffers for two, and whoever wants a third waits for the work before the first.
        byte[] tables = new byte[blockStart + blocks.Length];
        MemoryMarshal.AsBytes<int>(starts).CopyTo(tables);
        blocks.CopyTo(tables, blockStart);
        Grow(ref _tables, tables.Length);
        Stream.Upload(tables, _tables);
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
        foreach (Pass pass in _passes)
            pass.Drop();
        _tableArena = null;
    }

    /// <summary>Starts the forward pass of the group it was prepared for. The first time its launches are started one by
    /// one, which loads the kernels; the second time they are recorded as a graph, and started so from then on, where the
    /// device can.</summary>
    /// <param name="arena">Holds the group's operands.</param>
    /// <param name="target">Where tokens go.</param>
    /// <param name="firstToken">What an overflow's note calls the first token. A graph has recorded 0.</param>
    /// <param name="cancellationToken">Looked at between launches; a graph is started whole.</param>
    public void Run(GridArena arena, TokenTarget target, int firstToken, CancellationToken cancellationToken)
    {
        if (firstToken > 0)
        {
            _model.Compute(this, arena, target, firstToken, cancellationToken);
            return;
        }

        Pass pass = _passes[(int)target];
        if (++pass.RunCount == 2)
            pass.Graph = Record(arena, target);
        if (pass.Graph is null || !Stream.TryLaunch(pass.Graph))
            _model.Compute(this, arena, target, firstToken, cancellationToken);
    }

    /// <summary>Keeps an arena while work that nobody waits for reads it.</summary>
    /// <param name="arena">The arena that it was prepared with; the workspace takes its caller's place as a
    /// user.</param>
    public void Keep(GridArena arena)
    {
        if (_pendingArena is null)
            _pendingArena = arena;
        else
            arena.Release();
    }

    /// <summary>Waits for work that nobody has waited for, if there is any.</summary>
    public void Settle()
    {
        if (_pendingArena is null)
            return;
        Stream.Synchronize();
        _pendingArena.Release();
        _pendingArena = null;
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
            Invalidate();
            Stream.Dispose();
        }
        finally
        {
            _pendingArena?.Release();
            _memory?.Dispose();
            _tables?.Dispose();
        }
    }

    /// <summary>Groups of 16 bytes rounded up, so that every part is aligned to 256 bytes.</summary>
    private static long Round(long vectorCount) => (vectorCount + PartVectors - 1) / PartVectors * PartVectors;

    // Apart from its caller, which would make the closure every time.
    private IDeviceGraph? Record(GridArena arena, TokenTarget target)
        => Stream.Capture(() => _model.Compute(this, arena, target, 0, CancellationToken.None));

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
            if (size > MaxPartVectors)
            {
                throw new DeviceException($"an image needs a buffer of {size * DeviceView.VectorBytes} bytes on the " +
                    $"device, more than {(long)MaxPartVectors * DeviceView.VectorBytes}: use a smaller patch grid");
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
        Settle();
        memory?.Dispose();
        memory = null;
        memory = _device.Allocate(byteCount);
    }

    /// <summary>The forward pass with one target: how often it has run, and its graph.</summary>
    private sealed class Pass
    {
        public int RunCount { get; set; }

        public IDeviceGraph? Graph { get; set; }

        public void Drop()
        {
            Graph?.Dispose();
            Graph = null;
            RunCount = 0;
        }
    }
}

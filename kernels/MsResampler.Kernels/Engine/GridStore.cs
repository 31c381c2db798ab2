using System.Runtime.InteropServices;
using MsResampler.Planning;

namespace MsResampler.Kernels.Engine;

/// <summary>The operands of the grids used lately, on the device. One caller at a time adds grids; known ones never
/// wait for it.</summary>
/// <param name="device">The device.</param>
/// <param name="layout">The model's layout.</param>
/// <param name="planner">Plans grids.</param>
/// <param name="logSigmas">Learned log sigma of each scope, or null.</param>
/// <param name="storedPositions">The table stored on the query grid, or null.</param>
/// <param name="querySide">Projects queries that see their anchors; null where they do not.</param>
/// <param name="arenaBytes">Memory to keep grids in, more if one call needs more.</param>
internal sealed class GridStore(IDevice device, ModelLayout layout, Planner planner, double[]?[] logSigmas,
    float[]? storedPositions, QuerySide? querySide, long arenaBytes) : IDisposable
{
    private readonly Lock _adding = new();
    private readonly Lock _state = new();
    private GridArena? _current;

    /// <summary>An arena that holds all <paramref name="grids"/>; the caller releases it.</summary>
    /// <param name="grids">The grids; repeated ones do no harm.</param>
    /// <param name="launcher">Copies and computes what is missing.</param>
    public GridArena Acquire(ReadOnlySpan<PatchGrid> grids, KernelLauncher launcher)
    {
        if (Find(grids) is { } known)
            return known;
        lock (_adding)
        {
            if (Find(grids) is { } raced)
                return raced;
            List<PatchGrid> wanted = [.. grids.ToArray().Distinct()];
            List<GridOperands> made = _current is null ? []
                : Lay(wanted.Where(grid => !_current.Grids.ContainsKey(grid)), _current.End);
            if (_current is null || made[^1].End > _current.Capacity)
            {
                made = Lay(wanted, 0);
                Replace(made[^1].End);
            }

            foreach (GridOperands operands in made)
                Fill(_current!.Memory, operands, launcher);
            launcher.Stream.Synchronize();
            lock (_state)
            {
                foreach (GridOperands operands in made)
                    _current!.Grids.Add(operands.Plan.Grid, operands);
                _current!.End = made[^1].End;
                _current.AddUser();
                return _current;
            }
        }
    }

    public void Dispose()
    {
        _current?.Release();
        _current = null;
    }

    private GridArena? Find(ReadOnlySpan<PatchGrid> grids)
    {
        lock (_state)
        {
            if (_current is null)
                return null;
            foreach (PatchGrid grid in grids)
                if (!_current.Grids.ContainsKey(grid))
                    return null;
            _current.AddUser();
            return _current;
        }
    }

    private List<GridOperands> Lay(IEnumerable<PatchGrid> grids, long start)
    {
        List<GridOperands> result = [];
        foreach (PatchGrid grid in grids)
        {
            result.Add(new GridOperands(layout, planner.Plan(grid), logSigmas, start));
            start = result[^1].End;
        }

        return result;
    }

    private void Replace(long vectorCount)
    {
        // Dropped first: two arenas at once could be more than the device has.
        lock (_state)
        {
            _current?.Release();
            _current = null;
        }

        IDeviceMemory memory = device.Allocate(Math.Max(arenaBytes, vectorCount * DeviceView.VectorBytes));
        lock (_state)
            _current = new GridArena(memory);
    }

    private void Fill(IDeviceMemory memory, GridOperands operands, KernelLauncher launcher)
    {
        if (layout.Config.PositionEmbedding.Keys)
            Upload(operands.Positions(storedPositions), operands.PositionStart);
        Upload(operands.Bias(), operands.BiasStart);
        querySide?.Project(launcher, operands.Plan.Grid,
            DeviceView.OfVectors(memory).From(operands.QueryStart, layout.QueryVectors));

        void Upload(float[] values, long start) => launcher.Stream.Upload(MemoryMarshal.AsBytes<float>(values), memory,
            start * DeviceView.VectorBytes);
    }
}

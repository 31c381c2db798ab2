using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward;

/// <summary>Attention maps of one image or group of frames, read after its forward pass.</summary>
/// <param name="device">The device.</param>
/// <param name="kernels">Its kernels.</param>
/// <param name="model">The model.</param>
internal sealed class AttentionMaps(IDevice device, KernelLibrary kernels, DeviceModel model)
{
    private readonly ModelLayout _layout = model.Layout;

    /// <summary>The weights of each scope and frame, [A, M, patches of the frame]. Those of a query sum to 1 over the
    /// frames.</summary>
    public float[][][] Attention { get; private set; } = [];

    /// <summary>Reads them.</summary>
    /// <param name="workspace">Has computed a batch of the group alone.</param>
    /// <param name="group">The group.</param>
    /// <param name="arena">The arena of the batch.</param>
    /// <param name="cancellationToken">Checked before every map.</param>
    public void Read(Workspace workspace, FrameGroups group, GridArena arena, CancellationToken cancellationToken)
    {
        int frameCount = group.FrameCount;
        Attention = [.. Enumerable.Range(0, _layout.ScopeCount).Select(_ => new float[frameCount][])];
        double[][]? shares = frameCount == 1 ? null : Shares(workspace, group, arena);
        int firstRow = 0;
        for (int frame = 0; frame < frameCount; frame++)
        {
            PatchGrid grid = group.Grids[frame];
            // The partial rows of the only group follow its tokens.
            int firstAttended = shares is null ? 0 : (1 + frame) * _layout.QueryCount;
            FramePlace place = new(arena.Grids[grid], firstRow, firstAttended);
            using TensorStore scratch = new(device, workspace.Stream);
            int mapCount = checked((int)(_layout.Heads.SegmentCount * _layout.QueryCount * grid.PatchCount));
            IDeviceMemory maps = scratch.Allocate(mapCount * (long)sizeof(float));
            for (int scope = 0; scope < _layout.ScopeCount; scope++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                model.Map(workspace.Batch, place, scope, DeviceView.Of(maps)).Start(kernels, workspace.Stream);
                float[] map = Attention[scope][frame] = new float[mapCount];
                workspace.Stream.Download(maps, MemoryMarshal.AsBytes(map.AsSpan()));
                if (shares is not null)
                    Scale(map, shares[frame], scope, (int)grid.PatchCount);
            }

            scratch.Complete();
            firstRow += (int)grid.PatchCount;
        }
    }

    /// <summary>Multiplies the map of one scope and frame by the shares of the frame.</summary>
    private void Scale(float[] map, double[] shares, int scope, int patchCount)
    {
        int headCount = _layout.Heads.SegmentCount;
        for (int index = 0; index < map.Length; index++)
        {
            (int head, int query) = Math.DivRem(index / patchCount, _layout.QueryCount);
            map[index] = (float)(map[index] * shares[(((query * _layout.ScopeCount) + scope) * headCount) + head]);
        }
    }

    /// <summary>The share of each frame in the softmax, [M, S, A], as <see cref="MergeFrames{TVector, TRow}"/> computes
    /// it.</summary>
    private double[][] Shares(Workspace workspace, FrameGroups group, GridArena arena)
    {
        int count = _layout.QueryCount * _layout.ScopeCount * _layout.Heads.SegmentCount;
        float[] logSums = new float[group.FrameCount * count];
        workspace.Download(Activation.LogSums, MemoryMarshal.AsBytes(logSums.AsSpan()), (long)count * sizeof(float));
        int[] starts = model.Offsets.StartsOf(group, arena);
        FrameOffset[][] offsets = [.. starts.Select(_ => new FrameOffset[count])];
        for (int frame = 0; frame < starts.Length; frame++)
        {
            if (starts[frame] < 0)
                continue;
            workspace.Stream.Download(arena.Memory, MemoryMarshal.AsBytes(offsets[frame].AsSpan()),
                starts[frame] * (long)Unsafe.SizeOf<FrameOffset>());
        }

        double[][] shares = [.. starts.Select(_ => new double[count])];
        for (int index = 0; index < count; index++)
        {
            double largest = offsets.Max(frame => frame[index].High);
            double[] sums = [.. offsets.Select((frame, number) => logSums[(number * count) + index]
                + (frame[index].High - largest) + frame[index].Low)];
            double max = sums.Max();
            double total = sums.Sum(sum => Math.Pow(2, sum - max));
            for (int frame = 0; frame < shares.Length; frame++)
                shares[frame][index] = Math.Pow(2, sums[frame] - max) / total;
        }

        return shares;
    }
}

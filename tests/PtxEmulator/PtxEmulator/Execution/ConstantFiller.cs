using PtxEmulator.Decoding;

namespace PtxEmulator.Execution;

/// <summary>Fills the registers of a warp that hold literals, addresses and predefined values.</summary>
internal sealed unsafe class ConstantFiller
{
    private readonly Launch _launch;
    private readonly (int Slot, int LaneBytes, ulong Value)[] _constants;

    public ConstantFiller(Launch launch)
    {
        _launch = launch;
        _constants = [.. launch.Code.Constants.Select(constant => (constant.Slot, constant.LaneBytes,
            constant.Value + (constant.Symbol == null ? 0 : launch.AddressOf(constant.Symbol))))];
    }

    public void Fill(Warp warp)
    {
        foreach ((int slot, int laneBytes, ulong value) in _constants)
        {
            if (laneBytes == 0)
                *(uint*)(warp.Registers + slot) = (uint)value;
            else
                Lanes.Fill(warp.Registers + slot, laneBytes, value);
        }
        foreach (SpecialSlot special in _launch.Code.Specials)
        {
            for (int lane = 0; lane < Lanes.Count; lane++)
                Lanes.Set(warp.Registers + special.Slot, lane, special.LaneBytes, Evaluate(special.Name, warp, lane));
        }
    }

    /// <summary>Whether a predefined register is known, and does not change while a warp runs.</summary>
    public static bool IsKnown(string name) => name is
        "%tid.x" or "%tid.y" or "%tid.z" or "%ntid.x" or "%ntid.y" or "%ntid.z"
        or "%ctaid.x" or "%ctaid.y" or "%ctaid.z" or "%nctaid.x" or "%nctaid.y" or "%nctaid.z"
        or "%laneid" or "%warpid" or "%nwarpid" or "%smid" or "%nsmid" or "%gridid"
        or "%lanemask_eq" or "%lanemask_lt" or "%lanemask_le" or "%lanemask_gt" or "%lanemask_ge"
        or "%dynamic_smem_size" or "%total_smem_size";

    private ulong Evaluate(string name, Warp warp, int lane)
    {
        Dim3 size = _launch.Block;
        Dim3 thread = size.PositionOf((warp.Index * Lanes.Count) + lane);
        Dim3 position = warp.Block.Position;
        return name switch
        {
            "%tid.x" => (ulong)thread.X,
            "%tid.y" => (ulong)thread.Y,
            "%tid.z" => (ulong)thread.Z,
            "%ntid.x" => (ulong)size.X,
            "%ntid.y" => (ulong)size.Y,
            "%ntid.z" => (ulong)size.Z,
            "%ctaid.x" => (ulong)position.X,
            "%ctaid.y" => (ulong)position.Y,
            "%ctaid.z" => (ulong)position.Z,
            "%nctaid.x" => (ulong)_launch.Grid.X,
            "%nctaid.y" => (ulong)_launch.Grid.Y,
            "%nctaid.z" => (ulong)_launch.Grid.Z,
            "%laneid" => (ulong)lane,
            "%warpid" => (ulong)warp.Index,
            "%nwarpid" => (ulong)(size.Count + Lanes.Count - 1) / Lanes.Count,
            "%nsmid" => 1,
            "%lanemask_eq" => 1u << lane,
            "%lanemask_lt" => (1u << lane) - 1,
            "%lanemask_le" => uint.MaxValue >> (31 - lane),
            "%lanemask_gt" => ~(uint.MaxValue >> (31 - lane)),
            "%lanemask_ge" => ~((1u << lane) - 1),
            "%dynamic_smem_size" => (ulong)_launch.DynamicSharedBytes,
            "%total_smem_size" => (ulong)_launch.SharedBytes,
            // One multiprocessor runs one grid.
            _ => 0,
        };
    }
}

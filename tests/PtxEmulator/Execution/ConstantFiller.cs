using PtxEmulator.Decoding;

namespace PtxEmulator.Execution;

/// <summary>Fills the registers of a warp that contain literals, addresses and predefined values.</summary>
internal sealed unsafe class ConstantFiller
{
    private readonly (int Slot, int LaneBytes, ulong Value)[] _constants;
    private readonly (int Slot, int LaneBytes, Func<Warp, ulong> Evaluate)[] _uniform;
    private readonly (int Slot, int LaneBytes, Func<Warp, int, ulong> Evaluate)[] _varying;

    public ConstantFiller(Launch launch)
    {
        KernelCode code = launch.Code;
        _constants = [.. code.Constants.Select(constant => (constant.Slot, constant.LaneBytes,
            constant.Value + (constant.Symbol == null ? 0 : launch.AddressOf(constant.Symbol))))];
        ILookup<bool, SpecialSlot> specials = code.Specials.ToLookup(special => Varying(special.Name, launch) != null);
        _uniform = [.. specials[false].Select(special => (special.Slot, special.LaneBytes,
            Uniform(special.Name, launch)!))];
        _varying = [.. specials[true].Select(special => (special.Slot, special.LaneBytes,
            Varying(special.Name, launch)!))];
    }

    /// <summary>Whether a predefined register is known and constant while a warp runs.</summary>
    public static bool IsKnown(string name) => Uniform(name, null!) != null || Varying(name, null!) != null;

    public void Fill(Warp warp)
    {
        foreach ((int slot, int laneBytes, ulong value) in _constants)
        {
            if (laneBytes == 0)
                *(uint*)(warp.Registers + slot) = (uint)value;
            else
                Lanes.Fill(warp.Registers + slot, laneBytes, value);
        }
        foreach ((int slot, int laneBytes, Func<Warp, ulong> evaluate) in _uniform)
            Lanes.Fill(warp.Registers + slot, laneBytes, evaluate(warp));
        foreach ((int slot, int laneBytes, Func<Warp, int, ulong> evaluate) in _varying)
        {
            for (int lane = 0; lane < Lanes.Count; lane++)
                Lanes.Set(warp.Registers + slot, lane, laneBytes, evaluate(warp, lane));
        }
    }

    /// <summary>The predefined registers that are the same in all threads of a warp.</summary>
    private static Func<Warp, ulong>? Uniform(string name, Launch launch) => name switch
    {
        "%ntid.x" => _ => (ulong)launch.Block.X,
        "%ntid.y" => _ => (ulong)launch.Block.Y,
        "%ntid.z" => _ => (ulong)launch.Block.Z,
        "%ctaid.x" => warp => (ulong)warp.Block.Position.X,
        "%ctaid.y" => warp => (ulong)warp.Block.Position.Y,
        "%ctaid.z" => warp => (ulong)warp.Block.Position.Z,
        "%nctaid.x" => _ => (ulong)launch.Grid.X,
        "%nctaid.y" => _ => (ulong)launch.Grid.Y,
        "%nctaid.z" => _ => (ulong)launch.Grid.Z,
        "%warpid" => warp => (ulong)warp.Index,
        "%nwarpid" => _ => (ulong)(launch.Block.Count + Lanes.Count - 1) / Lanes.Count,
        // The device has one multiprocessor, which runs one grid.
        "%nsmid" => _ => 1,
        "%smid" or "%gridid" => _ => 0,
        "%dynamic_smem_size" => _ => (ulong)launch.DynamicSharedBytes,
        "%total_smem_size" => _ => (ulong)launch.SharedBytes,
        _ => null,
    };

    private static Func<Warp, int, ulong>? Varying(string name, Launch launch) => name switch
    {
        "%tid.x" => (warp, lane) => (ulong)(ThreadIndex(warp, lane) % launch.Block.X),
        "%tid.y" => (warp, lane) => (ulong)(ThreadIndex(warp, lane) / launch.Block.X % launch.Block.Y),
        "%tid.z" => (warp, lane) => (ulong)(ThreadIndex(warp, lane) / launch.Block.X / launch.Block.Y),
        "%laneid" => (_, lane) => (ulong)lane,
        "%lanemask_eq" => (_, lane) => 1u << lane,
        "%lanemask_lt" => (_, lane) => (1u << lane) - 1,
        "%lanemask_le" => (_, lane) => uint.MaxValue >> (31 - lane),
        "%lanemask_gt" => (_, lane) => ~(uint.MaxValue >> (31 - lane)),
        "%lanemask_ge" => (_, lane) => ~((1u << lane) - 1),
        _ => null,
    };

    private static int ThreadIndex(Warp warp, int lane) => (warp.Index * Lanes.Count) + lane;
}

using PtxEmulator.Decoding;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>The products of a warp that are in flight, and what is known about the order of the accesses to their
/// registers.</summary>
/// <remarks>
/// PTX ISA, wgmma.fence: it must be executed before the first product, and between an access to a register and a
/// product that uses it, except between products of the same shape that accumulate in the same registers. PTX ISA,
/// wgmma.wait_group: the registers of a product may only be accessed after a wait for a group that includes it.
/// </remarks>
internal sealed class PendingProducts
{
    private readonly ProductRegisters _registers;
    private readonly List<(WarpgroupMmaInstruction Product, long Group, ProductRead Read)> _pending = [];

    // The registers that other instructions accessed, or none since the start, without a fence; and which.
    private readonly ulong[] _unfenced;
    private readonly Instruction?[] _accesses;

    // The same for products: as accumulators, by shape, and as inputs.
    private readonly ulong[][] _accumulators;
    private readonly ulong[] _inputs;

    // What the products in flight use.
    private readonly ulong[][] _accumulating;
    private readonly ulong[] _reading;
    private long _group;

    public PendingProducts(ProductRegisters registers)
    {
        _registers = registers;
        _unfenced = NewSet();
        _accesses = new Instruction?[registers.Count];
        _inputs = NewSet();
        _reading = NewSet();
        _accumulators = NewSets();
        _accumulating = NewSets();
    }

    public void Reset()
    {
        _pending.Clear();
        _group = 0;
        Array.Clear(_accesses);
        Fence();
        Array.Fill(_unfenced, ulong.MaxValue);
        UpdateInFlight();
    }

    /// <summary>Orders all accesses so far before later products.</summary>
    public void Fence()
    {
        Array.Clear(_unfenced);
        Array.Clear(_inputs);
        foreach (ulong[] set in _accumulators)
            Array.Clear(set);
    }

    /// <summary>Notes an access of another instruction, and checks that no product in flight uses the
    /// registers.</summary>
    public void Touch(Warp warp, Instruction instruction, ulong[] registers)
    {
        if (_pending.Count > 0)
        {
            int used = RegisterSet.FirstCommon(registers, _reading);
            foreach (ulong[] set in _accumulating)
                used = Math.Max(used, RegisterSet.FirstCommon(registers, set));
            if (used >= 0)
                throw NotWaited(warp, used);
        }
        RegisterSet.Add(_unfenced, registers);
        RegisterSet.Fill(_accesses, registers, instruction);
    }

    /// <summary>Checks the registers of a product that the warp starts.</summary>
    public void Check(Warp warp, WarpgroupMmaInstruction product)
    {
        for (int shape = 0; shape < _accumulating.Length && _pending.Count > 0; shape++)
        {
            int used = RegisterSet.FirstCommon(product.Inputs, _accumulating[shape]);
            if (used < 0 && shape != product.Shape)
                used = RegisterSet.FirstCommon(product.Accumulators, _accumulating[shape]);
            if (used >= 0)
                throw NotWaited(warp, used);
        }
        if (RegisterSet.FirstCommon(product.Accumulators, _reading) is >= 0 and var input)
            throw NotWaited(warp, input);
        Require(warp, product.Accumulators, _unfenced);
        Require(warp, product.Inputs, _unfenced);
        Require(warp, product.Accumulators, _inputs);
        for (int shape = 0; shape < _accumulators.Length; shape++)
        {
            Require(warp, product.Inputs, _accumulators[shape]);
            if (shape != product.Shape)
                Require(warp, product.Accumulators, _accumulators[shape]);
        }
    }

    /// <summary>Notes a product that the warp starts.</summary>
    public void Start(WarpgroupMmaInstruction product, ProductRead read)
    {
        _pending.Add((product, _group, read));
        RegisterSet.Add(_accumulators[product.Shape], product.Accumulators);
        RegisterSet.Add(_inputs, product.Inputs);
        RegisterSet.Add(_accumulating[product.Shape], product.Accumulators);
        RegisterSet.Add(_reading, product.Inputs);
    }

    /// <summary>Closes the open group.</summary>
    public void Commit() => _group++;

    /// <summary>Waits until at most some closed groups are pending.</summary>
    public void Wait(Warp warp, int groupCount)
    {
        int kept = 0;
        for (int index = 0; index < _pending.Count; index++)
        {
            if (_pending[index].Group < _group - groupCount)
                warp.Block.Shared.EndRead(warp.Index, _pending[index].Read);
            else
                _pending[kept++] = _pending[index];
        }
        if (kept == _pending.Count)
            return;
        _pending.RemoveRange(kept, _pending.Count - kept);
        UpdateInFlight();
    }

    /// <summary>Checks that no product is in flight where threads of the warp end.</summary>
    public void RequireNone(Warp warp, int lane)
    {
        if (_pending.Count == 0)
            return;
        (WarpgroupMmaInstruction product, long group, _) = _pending[0];
        throw warp.Fault(PtxFaultKind.WarpgroupNotWaited, $"the warp ends while a product is "
            + (group == _group ? "not committed: wgmma.commit_group and wgmma.wait_group must follow "
                : "in flight: a wgmma.wait_group must cover the group of ")
            + $"'{product.Text}' (line {product.Source?.Line})", lane);
    }

    private ulong[] NewSet() => new ulong[RegisterSet.WordCount(_registers.Count)];

    private ulong[][] NewSets() => [.. Enumerable.Range(0, _registers.ShapeCount).Select(_ => NewSet())];

    private void UpdateInFlight()
    {
        Array.Clear(_reading);
        foreach (ulong[] set in _accumulating)
            Array.Clear(set);
        foreach ((WarpgroupMmaInstruction product, _, _) in _pending)
        {
            RegisterSet.Add(_accumulating[product.Shape], product.Accumulators);
            RegisterSet.Add(_reading, product.Inputs);
        }
    }

    private PtxFaultException NotWaited(Warp warp, int register)
    {
        (WarpgroupMmaInstruction product, long group, _) = _pending.First(pending
            => RegisterSet.Contains(pending.Product.Accumulators, register)
                || RegisterSet.Contains(pending.Product.Inputs, register));
        string remedy = group == _group ? "which is not committed; add wgmma.commit_group and wgmma.wait_group before"
            : $"whose group was committed as the last but {_group - 1 - group}; add a wgmma.wait_group of at most that "
                + "number before";
        return warp.Fault(PtxFaultKind.WarpgroupNotWaited, $"the register {_registers.NameOf(register)} belongs to a "
            + $"product in flight, '{product.Text}' (line {product.Source?.Line}), {remedy}", 0);
    }

    private void Require(Warp warp, ulong[] registers, ulong[] unfenced)
    {
        int register = RegisterSet.FirstCommon(registers, unfenced);
        if (register < 0)
            return;
        string access = unfenced != _unfenced ? "which a product used in another way (as the matrix A, or with another "
                + "shape)"
            : _accesses[register] is { } other ? $"which '{other.Text}' (line {other.Source?.Line}) accessed"
            : "which no fence has preceded since the kernel started";
        throw warp.Fault(PtxFaultKind.WarpgroupFenceMissing, $"the register {_registers.NameOf(register)}, {access}, "
            + "needs a wgmma.fence before this product", 0);
    }
}

namespace PtxEmulator.Decoding;

/// <summary>The registers that products of warpgroups use as accumulators or as the matrix A. Every other instruction
/// that may access one of them is replaced by one that checks it, so that other kernels and instructions cost
/// nothing.</summary>
internal sealed class ProductRegisters
{
    private readonly Dictionary<int, int> _indices = [];
    private readonly List<string> _names = [];

    private ProductRegisters(IEnumerable<int> slots, IReadOnlyDictionary<int, string> names)
    {
        foreach (int slot in slots)
        {
            if (_indices.TryAdd(slot, _names.Count))
                _names.Add(names[slot]);
        }
    }

    public int Count => _names.Count;

    /// <summary>The number of shapes of the products.</summary>
    public int ShapeCount { get; private set; }

    public string NameOf(int index) => _names[index];

    /// <summary>Finds the registers and replaces the instructions that access them.</summary>
    /// <param name="code">The instructions, in their final order.</param>
    /// <param name="builder">The registers of the instructions.</param>
    public static ProductRegisters Track(Instruction[] code, CodeBuilder builder)
    {
        WarpgroupMmaInstruction[] products = [.. code.OfType<WarpgroupMmaInstruction>()];
        var registers = new ProductRegisters(products.SelectMany(product => product.D.Concat(product.A ?? [])),
            builder.RegisterNames);
        int[] shapes = [.. products.Select(product => product.Columns).Distinct()];
        registers.ShapeCount = shapes.Length;
        foreach (WarpgroupMmaInstruction product in products)
        {
            product.Accumulators = registers.SetOf(product.D);
            product.Inputs = registers.SetOf(product.A ?? []);
            product.Shape = Array.IndexOf(shapes, product.Columns);
        }
        for (int index = 0; index < code.Length; index++)
        {
            if (code[index] is WarpgroupMmaInstruction
                || !builder.AccessedRegisters.TryGetValue(code[index], out int[]? slots))
            {
                continue;
            }
            int[] tracked = [.. slots.Where(registers._indices.ContainsKey)];
            if (tracked.Length > 0)
                code[index] = new TrackedInstruction(code[index], registers.SetOf(tracked));
        }
        return registers;
    }

    private ulong[] SetOf(IEnumerable<int> slots)
    {
        ulong[] set = new ulong[RegisterSet.WordCount(Count)];
        foreach (int slot in slots)
            RegisterSet.Add(set, _indices[slot]);
        return set;
    }
}

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>Writes the PTX text of a kernel: one method per instruction, with the section of the PTX ISA where it is
/// described. Values are typed registers; loops in C# unroll, <see cref="While"/> and <see cref="If"/> branch. An
/// instruction that the target lacks is refused.</summary>
/// <remarks>A method without a remark about its threads executes in each thread. Every float operation rounds to
/// nearest on its own (.rn), so that the assembler contracts nothing.</remarks>
internal sealed partial class PtxWriter
{
    private const string SharedName = "shared_memory";

    private readonly StringBuilder _parameters = new();
    private readonly StringBuilder _body = new();
    private readonly List<int> _elementBytes = [];
    private readonly string _name;
    private readonly string _bounds;
    private int _sharedAlignment;
    private int _u32Count;
    private int _u64Count;
    private int _f32Count;
    private int _predicateCount;
    private int _labelCount;

    /// <param name="target">What the text is for.</param>
    /// <param name="name">The name of the entry function.</param>
    /// <param name="threadCount">The threads of a block.</param>
    /// <param name="blockCount">The blocks that should share a multiprocessor.</param>
    public PtxWriter(PtxTarget target, string name, int threadCount, int blockCount)
    {
        Target = target;
        _name = name;
        _bounds = string.Create(CultureInfo.InvariantCulture,
            $".maxntid {threadCount}, 1, 1\n.minnctapersm {blockCount}");
    }

    /// <summary>What the text is for.</summary>
    public PtxTarget Target { get; }

    /// <summary>The size of an element of each parameter in bytes; 1 if it is no view.</summary>
    public IReadOnlyList<int> ElementBytes => _elementBytes;

    /// <summary>The thread's index in its block. PTX ISA, Special Registers: %tid.</summary>
    public U32 Thread => Special("%tid.x");

    /// <summary>The block's index. PTX ISA, Special Registers: %ctaid.</summary>
    public U32 Block => Special("%ctaid.x");

    /// <summary>The number of blocks. PTX ISA, Special Registers: %nctaid.</summary>
    public U32 BlockCount => Special("%nctaid.x");

    /// <summary>Adds a parameter with the address and the number of elements of memory on the device.</summary>
    /// <param name="name">The name.</param>
    /// <param name="elementBytes">The size of an element in bytes.</param>
    public PtxView View(string name, int elementBytes)
    {
        AddParameter($".align 8 .b8 {name}[16]", elementBytes);
        return new PtxView(this, name);
    }

    /// <summary>Adds a parameter with a structure, whose fields have four bytes each.</summary>
    public PtxStructure Structure<T>(string name)
        where T : unmanaged
    {
        AddParameter(string.Create(CultureInfo.InvariantCulture, $".align 4 .b8 {name}[{Marshal.SizeOf<T>()}]"), 1);
        return new PtxStructure(this, name, typeof(T));
    }

    /// <summary>Adds a parameter with an integer.</summary>
    public U32 Integer(string name)
    {
        AddParameter($".b32 {name}", 1);
        return LoadParameter(name, 0);
    }

    /// <summary>The address of the dynamic shared memory, whose size the launch decides. PTX ISA, State Spaces: Shared
    /// State Space.</summary>
    /// <param name="alignment">The alignment in bytes, a power of two.</param>
    public U32 DynamicShared(int alignment)
    {
        _sharedAlignment = Math.Max(_sharedAlignment, alignment);
        U32 address = NewU32();
        Emit($"mov.u32 {address}, {SharedName}");
        return address;
    }

    /// <summary>A register that changes: <see cref="Set(U32, U32, Predicate?)"/> assigns it.</summary>
    public U32 Variable(U32 value)
    {
        U32 variable = NewU32();
        Set(variable, value);
        return variable;
    }

    /// <inheritdoc cref="Variable(U32)"/>
    public F32 FloatVariable(F32 value)
    {
        F32 variable = NewF32();
        Set(variable, value);
        return variable;
    }

    /// <summary>New registers without a value.</summary>
    public F32[] Floats(int count) => [.. Enumerable.Range(0, count).Select(_ => NewF32())];

    /// <summary>New registers without a value.</summary>
    public U64[] Addresses(int count) => [.. Enumerable.Range(0, count).Select(_ => NewU64())];

    /// <summary>The finished text.</summary>
    public string Finish()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $".version {Target.Version}\n.target {Target}\n.address_size 64\n\n");
        if (_sharedAlignment > 0)
        {
            text.Append(CultureInfo.InvariantCulture,
                $".extern .shared .align {_sharedAlignment} .b8 {SharedName}[];\n\n");
        }

        text.Append(CultureInfo.InvariantCulture, $".visible .entry {_name}(\n{_parameters}\n)\n{_bounds}\n{{\n");
        Declare("b32", "%r", _u32Count);
        Declare("b64", "%rd", _u64Count);
        Declare("f32", "%f", _f32Count);
        Declare("pred", "%p", _predicateCount);
        return text.Append('\n').Append(_body).Append("\tret;\n}\n").ToString();

        void Declare(string type, string prefix, int count)
        {
            if (count > 0)
                text.Append(CultureInfo.InvariantCulture, $"\t.reg .{type} {prefix}<{count}>;\n");
        }
    }

    /// <summary>The text of a register or a number.</summary>
    public static string TextOf(string prefix, uint value)
        => string.Create(CultureInfo.InvariantCulture, $"{prefix}{value}");

    /// <summary>Loads four bytes of a parameter. PTX ISA, Data Movement: ld.param.</summary>
    internal U32 LoadParameter(string name, int byteOffset)
    {
        U32 result = NewU32();
        Emit($"ld.param.u32 {result}, [{name}+{TextOf("", (uint)byteOffset)}]");
        return result;
    }

    /// <inheritdoc cref="LoadParameter"/>
    internal F32 LoadFloatParameter(string name, int byteOffset)
    {
        F32 result = NewF32();
        Emit($"ld.param.f32 {result}, [{name}+{TextOf("", (uint)byteOffset)}]");
        return result;
    }

    /// <summary>Loads an address in global memory. PTX ISA, Data Movement: ld.param.</summary>
    internal U64 LoadAddressParameter(string name)
    {
        U64 result = NewU64();
        Emit($"ld.param.u64 {result}, [{name}]");
        return result;
    }

    private U32 NewU32() => U32.Register(this, _u32Count++);

    private U64 NewU64() => new(this, _u64Count++);

    private F32 NewF32() => F32.Register(this, _f32Count++);

    private Predicate NewPredicate() => new(this, _predicateCount++);

    private string NewLabel() => TextOf("L_", (uint)_labelCount++);

    private U32 Special(string name)
    {
        U32 result = NewU32();
        Emit($"mov.u32 {result}, {name}");
        return result;
    }

    private void AddParameter(string declaration, int elementBytes)
    {
        _parameters.Append(_parameters.Length == 0 ? "" : ",\n").Append("\t.param ").Append(declaration);
        _elementBytes.Add(elementBytes);
    }

    private void Emit(string instruction) => _body.Append('\t').Append(instruction).Append(";\n");

    private void Emit(Predicate? guard, string instruction) => Emit($"{guard?.Guard}{instruction}");

    /// <summary>Emits an instruction that the oldest supported target lacks.</summary>
    private void Emit(PtxTarget oldest, string instruction)
    {
        bool isKnown = Target.Version.CompareTo(oldest.Version) >= 0 && (oldest.IsSpecific
            ? Target.IsSpecific && Target.Architecture == oldest.Architecture
            : Target.Architecture >= oldest.Architecture);
        if (!isKnown)
        {
            throw new NotSupportedException($"{instruction.Split(' ')[0]} needs PTX {oldest.Version} and {oldest}; " +
                $"the text of {_name} is PTX {Target.Version} for {Target}.");
        }

        Emit(instruction);
    }
}

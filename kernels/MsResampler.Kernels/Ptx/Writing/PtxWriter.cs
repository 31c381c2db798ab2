using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>Writes the PTX text of a kernel: one method per instruction, with the section of the PTX ISA where it is
/// described. Values are typed registers; loops in C# unroll, <see cref="Repeat"/> and <see cref="If"/> branch. An
/// instruction that the target lacks is refused.</summary>
/// <remarks>A method without a remark about its threads executes in each thread. Every float operation rounds to
/// nearest on its own (.rn), so that the assembler contracts nothing.</remarks>
internal sealed partial class PtxWriter
{
    private const string SharedName = "shared_memory";

    private static readonly PtxTarget s_ampere = new(PtxVersion.Default, 80);
    private static readonly PtxTarget s_dependencies = new(PtxVersion.Dependencies, 90);
    private static readonly PtxTarget s_hopperAndNewer = PtxTarget.Hopper with { IsSpecific = false };

    private readonly StringBuilder _parameters = new();
    private readonly StringBuilder _body = new();
    private readonly List<int> _elementBytes = [];
    private readonly string _bounds;
    private int _sharedAlignment;
    private int _integerCount;
    private int _addressCount;
    private int _floatCount;
    private int _predicateCount;
    private int _labelCount;

    /// <param name="target">What the text is for.</param>
    /// <param name="name">The name of the entry function.</param>
    /// <param name="threadCount">The threads of a block.</param>
    /// <param name="blockCount">The blocks that should share a multiprocessor.</param>
    public PtxWriter(PtxTarget target, string name, int threadCount, int blockCount)
    {
        Target = target;
        Name = name;
        _bounds = string.Create(CultureInfo.InvariantCulture,
            $".maxntid {threadCount}, 1, 1\n.minnctapersm {blockCount}");
    }

    /// <summary>What the text is for.</summary>
    public PtxTarget Target { get; }

    /// <summary>The name of the entry function.</summary>
    public string Name { get; }

    /// <summary>The size of an element of each parameter in bytes; 1 if it is no view.</summary>
    public IReadOnlyList<int> ElementBytes => _elementBytes;

    /// <summary>The thread's index in its block. PTX ISA, Special Registers: %tid.</summary>
    public U32 Thread => Special("%tid.x");

    /// <summary>The block's index. PTX ISA, Special Registers: %ctaid.</summary>
    public U32 Block => Special("%ctaid.x");

    /// <summary>The number of blocks. PTX ISA, Special Registers: %nctaid.</summary>
    public U32 BlockCount => Special("%nctaid.x");

    /// <summary>Adds a parameter with the address and the number of elements of memory on the device. PTX ISA, State
    /// Spaces: Parameter State Space.</summary>
    /// <param name="name">The name.</param>
    /// <param name="elementBytes">The size of an element in bytes.</param>
    public PtxView View(string name, int elementBytes)
    {
        AddParameter($".align 8 .b8 {name}[16]", elementBytes);
        return new PtxView(this, name);
    }

    /// <summary>Adds a parameter with a structure, whose fields are integers and floats of four bytes. PTX ISA, State
    /// Spaces: Parameter State Space.</summary>
    public PtxStructure Structure<T>(string name)
        where T : unmanaged
    {
        AddParameter(string.Create(CultureInfo.InvariantCulture, $".align 4 .b8 {name}[{Unsafe.SizeOf<T>()}]"), 1);
        return new PtxStructure(this, name, typeof(T));
    }

    /// <summary>Adds a parameter with an integer. PTX ISA, State Spaces: Parameter State Space.</summary>
    public U32 Integer(string name)
    {
        AddParameter($".b32 {name}", 1);
        return LoadInteger(name, 0);
    }

    /// <summary>The address of the dynamic shared memory, whose size the launch decides. PTX ISA, State Spaces: Shared
    /// State Space.</summary>
    /// <param name="alignment">The alignment in bytes, a power of two.</param>
    public U32 DynamicShared(int alignment)
    {
        _sharedAlignment = Math.Max(_sharedAlignment, alignment);
        return Special(SharedName);
    }

    /// <summary>A register that changes: <see cref="Set(U32, U32)"/> assigns it.</summary>
    public U32 Variable(U32 value)
    {
        U32 variable = NewInteger();
        Set(variable, value);
        return variable;
    }

    /// <inheritdoc cref="Variable(U32)"/>
    public F32 FloatVariable(F32 value)
    {
        F32 variable = NewFloat();
        Set(variable, value);
        return variable;
    }

    /// <summary>New registers without a value.</summary>
    public F32[] Floats(int count) => [.. Enumerable.Range(0, count).Select(_ => NewFloat())];

    /// <summary>New registers without a value.</summary>
    public U64[] Addresses(int count) => [.. Enumerable.Range(0, count).Select(_ => NewAddress())];

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

        text.Append(CultureInfo.InvariantCulture, $".visible .entry {Name}(\n{_parameters}\n)\n{_bounds}\n{{\n");
        Declare("b32", "%r", _integerCount);
        Declare("b64", "%rd", _addressCount);
        Declare("f32", "%f", _floatCount);
        Declare("pred", "%p", _predicateCount);
        return text.Append('\n').Append(_body).Append("\tret;\n}\n").ToString();

        void Declare(string type, string prefix, int count)
        {
            if (count > 0)
                text.Append(CultureInfo.InvariantCulture, $"\t.reg .{type} {prefix}<{count}>;\n");
        }
    }

    private U32 NewInteger() => U32.Register(this, _integerCount++);

    private U64 NewAddress() => new(this, _addressCount++);

    private F32 NewFloat() => F32.Register(this, _floatCount++);

    private string NewLabel() => string.Create(CultureInfo.InvariantCulture, $"L_{_labelCount++}");

    private U32 Special(string name) => IntegerOf("mov.u32", $"{name}");

    private void AddParameter(string declaration, int elementBytes)
    {
        _parameters.Append(_parameters.Length == 0 ? "" : ",\n").Append("\t.param ").Append(declaration);
        _elementBytes.Add(elementBytes);
    }

    private U32 IntegerOf(string opcode,
        [InterpolatedStringHandlerArgument("", nameof(opcode))] PtxInstruction operands)
    {
        U32 result = NewInteger();
        Emit($"{opcode} {result}, {operands.ToString()}");
        return result;
    }

    private U64 AddressOf(string opcode,
        [InterpolatedStringHandlerArgument("", nameof(opcode))] PtxInstruction operands)
    {
        U64 result = NewAddress();
        Emit($"{opcode} {result}, {operands.ToString()}");
        return result;
    }

    private F32 FloatOf(string opcode, [InterpolatedStringHandlerArgument("", nameof(opcode))] PtxInstruction operands)
    {
        F32 result = NewFloat();
        Emit($"{opcode} {result}, {operands.ToString()}");
        return result;
    }

    private Predicate PredicateOf(string opcode,
        [InterpolatedStringHandlerArgument("", nameof(opcode))] PtxInstruction operands)
    {
        Predicate result = new(this, _predicateCount++);
        Emit($"{opcode} {result}, {operands.ToString()}");
        return result;
    }

    private void Emit([InterpolatedStringHandlerArgument("")] PtxInstruction instruction)
        => _body.Append('\t').Append(instruction.ToString()).Append(";\n");

    /// <summary>Emits an instruction that targets before the oldest one lack. If that is specific, all others lack
    /// it.</summary>
    private void Emit(PtxTarget oldest, [InterpolatedStringHandlerArgument("")] PtxInstruction instruction)
    {
        bool isKnown = Target.Version.CompareTo(oldest.Version) >= 0 && (oldest.IsSpecific
            ? Target.IsSpecific && Target.Architecture == oldest.Architecture
            : Target.Architecture >= oldest.Architecture);
        if (!isKnown)
        {
            throw new NotSupportedException($"{Name}: {Opcode(instruction.ToString())} needs PTX {oldest.Version} " +
                $"and {oldest}{(oldest.IsSpecific ? "" : " or newer")}; the text is PTX {Target.Version} for " +
                $"{Target}. Choose kernels for a device by KernelVariant.RunsOn.");
        }

        Emit($"{instruction.ToString()}");

        static string Opcode(string text) => text.Split(' ').First(word => !word.StartsWith('@'));
    }
}

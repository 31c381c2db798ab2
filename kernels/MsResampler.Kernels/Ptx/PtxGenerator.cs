using System.Globalization;
using System.Reflection;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Types;
using ILGPU.IR.Values;
using CompoundRegister = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.CompoundRegister;
using HardwareRegister = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.HardwareRegister;
using PrimitiveRegister = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.PrimitiveRegister;
using Register = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.Register;

namespace MsResampler.Kernels.Ptx;

/// <summary>Generates the PTX instruction for a call of a method with a
/// <see cref="PtxInstructionAttribute"/>.</summary>
internal static class PtxGenerator
{
    /// <summary>The code generator that ILGPU calls.</summary>
    /// <exception cref="NotSupportedException">The architecture lacks the instruction, or an argument has the wrong
    /// kind.</exception>
    public static void Generate(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        var call = (MethodCall)value;
        MethodBase method = call.Target.Source;
        PtxInstructionAttribute instruction = method.GetCustomAttribute<PtxInstructionAttribute>()!;
        int architecture = (backend.Architecture.Major * 10) + backend.Architecture.Minor;
        if (architecture < instruction.MinArchitecture)
        {
            throw new NotSupportedException($"{method.DeclaringType!.Name}.{method.Name} needs sm_" +
                $"{instruction.MinArchitecture} or newer; the kernel is compiled for sm_{architecture}.");
        }

        string[] template = instruction.Template.Split(' ');
        // Preparing an operand may emit instructions, so all operands are prepared before this instruction begins.
        // The result register is allocated last, so that it cannot reuse the register of an operand.
        var operands = new Operand[template.Length];
        for (int i = 1; i < template.Length; i++)
        {
            if (template[i] is not ("=" or "{=}"))
                operands[i] = Prepare(generator, call, template[i]);
        }

        for (int i = 1; i < template.Length; i++)
        {
            if (template[i] is "=" or "{=}")
                operands[i] = new Operand(Registers(generator, generator.Allocate(value)), template[i] == "{=}");
        }

        PTXCodeGenerator.CommandEmitter command = generator.BeginCommand(template[0]);
        foreach (Operand operand in operands.AsSpan(1))
            operand.AppendTo(ref command);
        command.Dispose();
    }

    private static Operand Prepare(PTXCodeGenerator generator, MethodCall call, string operand)
    {
        switch (operand[0])
        {
            case '\'':
                return new Operand([], Constant: int.Parse(operand.AsSpan(1), CultureInfo.InvariantCulture));
            case '#':
                return new Operand([], Constant: Constant(call, operand.AsSpan(1)));
            case '{':
                return new Operand([.. operand[1..^1].Split(',').SelectMany(argument =>
                    Argument(generator, call, argument))], IsVector: true);
            case '[':
                string[] parts = operand[1..^1].Split('+');
                return new Operand(Argument(generator, call, parts[0]), IsAddress: true,
                    Constant: parts.Length > 1 ? Constant(call, parts[1]) : 0);
            default:
                return new Operand(Argument(generator, call, operand));
        }
    }

    private static PrimitiveRegister[] Argument(PTXCodeGenerator generator, MethodCall call, string argument) =>
        argument[0] switch
        {
            'g' => [Pointer(generator, Value(call, argument.AsSpan(1)), MemoryAddressSpace.Global)],
            's' => [Pointer(generator, Value(call, argument.AsSpan(1)), MemoryAddressSpace.Shared)],
            _ => Registers(generator, generator.Load(Value(call, argument))),
        };

    private static PrimitiveRegister[] Registers(PTXCodeGenerator generator, Register register) =>
        register is CompoundRegister compound
            ? [.. compound.Children.Select(child => generator.EnsureHardwareRegister((PrimitiveRegister)child))]
            : [generator.EnsureHardwareRegister((PrimitiveRegister)register)];

    /// <summary>The register of a pointer into the given memory. A generic pointer is converted.</summary>
    private static HardwareRegister Pointer(PTXCodeGenerator generator, Value pointer, MemoryAddressSpace memory)
    {
        HardwareRegister register = generator.LoadHardware(pointer);
        MemoryAddressSpace found = ((AddressSpaceType)pointer.Type).AddressSpace;
        if (found == memory)
            return register;
        if (found != MemoryAddressSpace.Generic)
            throw new NotSupportedException($"The reference is to {found} memory; the instruction needs {memory}.");
        HardwareRegister converted = generator.AllocateRegister(register.Description);
        PTXCodeGenerator.CommandEmitter command = generator.BeginCommand(
            memory == MemoryAddressSpace.Global ? "cvta.to.global.u64" : "cvta.to.shared.u64");
        command.AppendArgument(converted);
        command.AppendArgument(register);
        command.Dispose();
        return converted;
    }

    private static int Constant(MethodCall call, ReadOnlySpan<char> argument) =>
        Value(call, argument).Resolve() is PrimitiveValue constant
            ? constant.Int32Value
            : throw new NotSupportedException($"Argument {argument} of {call.Target.Source.DeclaringType!.Name}." +
                $"{call.Target.Source.Name} must be a constant after loops are unrolled, but it is computed.");

    private static Value Value(MethodCall call, ReadOnlySpan<char> argument) =>
        call[int.Parse(argument, CultureInfo.InvariantCulture)];

    /// <summary>One operand: registers, an address with an offset, or a constant.</summary>
    private readonly record struct Operand(PrimitiveRegister[] Registers, bool IsVector = false, bool IsAddress = false,
        int Constant = 0)
    {
        public void AppendTo(ref PTXCodeGenerator.CommandEmitter command)
        {
            if (IsAddress)
                command.AppendArgumentValue((HardwareRegister)Registers[0], Constant);
            else if (IsVector || Registers.Length > 1)
                command.AppendVectorArgument(Registers);
            else if (Registers.Length == 1)
                command.AppendArgument(Registers[0]);
            else
                command.AppendConstant((long)Constant);
        }
    }
}
